"""bot.toml: every setting, its default and its check. The reference is docs/configuration.md."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from bot.audits.plan import AuditRule
from bot.errors import SettingsError
from bot.notify.tables import NotifyTable
from bot.phases.tables import DEFAULT_PROGRAMME, PhaseTable
from bot.proposers.tables import CapsTable, ClaudeTable, CommandTable
from bot.run.tables import RunTable
from bot.verdict import Guard, SimplicityRule, VerdictRule
from runner.errors import SettingsError as UnreadableSettings
from runner.settings import RunnerSettings
from runner.settings_file import explain, read_document
from runner.tables import Table, plain_path

FILE_NAME = "bot.toml"
IMPORTED = "imported.tsv"
"""A history from elsewhere, see `bot.history.imported`."""


class RepositoryTable(Table):
    """Where experiments live."""

    base: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")] = "main"
    """The branch that winners are merged into."""


class ForgeTable(Table):
    """Where pull requests live."""

    kind: Literal["git", "github"] = "git"
    """`git`: inside this repository, under `refs/forge`. `github`: on GitHub; the credential is
    in the environment, see docs/forge.md."""
    remote: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$")] = ""
    """`git` alone: the git remote, for example `origin`, through which several clones work on
    the same experiments; empty: this clone works alone. See docs/architecture.md."""
    repository: Annotated[str, Field(pattern=r"^([A-Za-z0-9-]+/[A-Za-z0-9._-]+)?$")] = ""
    """`github` alone: the repository, as "owner/name"."""
    api_url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] = "https://api.github.com"
    """`github` alone: the address of its API. GitHub Enterprise has it at
    `https://HOST/api/v3`."""
    account: Annotated[str, Field(pattern=r"^([A-Za-z0-9-]+(\[bot\])?)?$")] = ""
    """`github` alone: the bot's account, where the credential is an App's: `NAME[bot]`. Empty
    asks GitHub, and in a workflow stands for GitHub Actions itself."""
    account_id: Annotated[int, Field(ge=0, le=2**53)] = 0
    """`github` alone: the number of that account (`gh api "/users/NAME[bot]" --jq .id`); saves a
    call in every step. 0: ask GitHub."""
    adopt: Literal["label", "files"] = "label"
    """`github` alone: which pull requests of people become experiments. `label`: those that
    somebody gives the label `experiment`. `files`: also those that change nothing but files of
    `candidate.paths` and are no drafts; the bot gives them the label. See docs/people.md."""


class ProposerTable(Table):
    """Where hypotheses come from."""

    name: Literal["search", "claude", "command"] = "search"
    """Who proposes where there is no `[portfolio]`.
    `search`: a search over the constants block of the entry file, without key or network.
    `claude`: a Claude model that edits the files. `command`: any coding agent's command line.
    See docs/proposers.md."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seeds the proposer's random choices. Seeds of training runs are drawn apart from it."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """How many proposals may be refused in a row before a step gives up."""


class PortfolioTable(Table):
    """Several proposers that take turns instead of one. Of so many experiments in a row as these
    numbers add up to, each makes its share; with all of them 0, `proposer.name` makes all."""

    claude: Annotated[int, Field(ge=0, le=100)] = 0
    """The share of `claude`."""
    command: Annotated[int, Field(ge=0, le=100)] = 0
    """The share of `command`."""
    search: Annotated[int, Field(ge=0, le=100)] = 0
    """The share of `search`."""


class ScratchpadTable(Table):
    """The bot's memory on the base branch."""

    path: str = "scratchpad.md"
    """The file, relative to the repository. An experiment must not change it."""
    recent: Annotated[int, Field(ge=1, le=500)] = 20
    """How many experiments keep a full entry; older ones become rows of a table."""
    table: Annotated[int, Field(ge=1, le=5_000)] = 200
    """How many rows that table keeps; what falls off stays in `git log`."""
    beliefs: Annotated[int, Field(ge=200, le=20_000)] = 4_000
    """Characters of the beliefs that proposers maintain. When they are full, the proposer has to
    condense them."""


class ReportTable(Table):
    """What the bot shows of the experiments without being asked."""

    svg: str | None = None
    """An SVG file that every verdict redraws in its own commit, for example `docs/progress.svg`,
    so that a README can show it. An experiment must not change it."""

    @field_validator("svg")
    @classmethod
    def _is_svg(cls, value: str | None) -> str | None:
        if value is not None and not plain_path(value).endswith(".svg"):
            raise ValueError(f"{value[:100]!r} does not end in .svg")
        return value


class Settings(RunnerSettings):
    """The whole of bot.toml."""

    repository: RepositoryTable = RepositoryTable()
    forge: ForgeTable = ForgeTable()
    proposer: ProposerTable = ProposerTable()
    portfolio: PortfolioTable = PortfolioTable()
    claude: ClaudeTable = ClaudeTable()
    command: CommandTable = CommandTable()
    caps: CapsTable = CapsTable()
    run: RunTable = RunTable()
    scratchpad: ScratchpadTable = ScratchpadTable()
    phase: Annotated[tuple[PhaseTable, ...], Field(max_length=50)] = ()
    """The programme: its phases in order, one table `[[phase]]` each. Without any there are three:
    `hyperparameters`, `architecture` (each until 15 experiments in a row have not won) and
    `moonshot`. See docs/proposers.md."""
    verdict: VerdictRule = VerdictRule()
    simplification: SimplicityRule = SimplicityRule()
    guard: Annotated[tuple[Guard, ...], Field(max_length=100)] = ()
    """Secondary metrics that must not grow too much, one table `[[guard]]` each."""
    audit: AuditRule = AuditRule()
    report: ReportTable = ReportTable()
    notify: NotifyTable = NotifyTable()

    @property
    def written_by_bot(self) -> tuple[str, ...]:
        """The files that a verdict's own commit may change beside the candidate's."""
        chart = () if self.report.svg is None else (self.report.svg,)
        return (self.scratchpad.path, *chart)

    @property
    def shares(self) -> dict[str, int]:
        """The proposers that are used, each with how many experiments in a round it makes."""
        present = {name: share for name, share in self.portfolio.model_dump().items() if share}
        return present or {self.proposer.name: 1}

    @property
    def programme(self) -> tuple[PhaseTable, ...]:
        """The phases in order; the default ones where bot.toml names none."""
        return self.phase or DEFAULT_PROGRAMME

    def phase_named(self, name: object) -> PhaseTable | None:
        """The phase with this name; None if the programme has none."""
        return next((phase for phase in self.programme if phase.name == name), None)


def parse(data: bytes, where: str = FILE_NAME) -> Settings:
    """Read and check the bytes of a bot.toml.

    Raises:
        SettingsError: names the file, the key, what was found and what is allowed.
    """
    try:
        settings = Settings.model_validate(read_document(data, where))
    except ValidationError as error:
        raise SettingsError(explain(error, where, Settings)) from None
    except UnreadableSettings as error:
        raise SettingsError(str(error)) from None
    _check_together(settings, where)
    return settings


def load(folder: Path) -> Settings:
    """Read `bot.toml` in `folder`. Raises SettingsError."""
    path = folder / FILE_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: there is no bot.toml here. python -m bot init proposes one for a script of "
            "yours (docs/import.md); an empty one takes every default (docs/configuration.md). "
            "Else run this in the top folder of the repository that has one."
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}).") from None
    return parse(data, str(path))


def _check_together(settings: Settings, where: str) -> None:
    if settings.forge.kind == "github" and not settings.forge.repository:
        raise SettingsError(
            f'{where}: forge.repository: is missing. With kind = "github" name the repository,'
            ' for example repository = "my-lab/research".'
        )
    candidates, scratchpad = settings.candidate.paths, settings.scratchpad.path
    own = {"scratchpad.path": scratchpad}
    if settings.report.svg is not None:
        own["report.svg"] = settings.report.svg
    for key, path in own.items():
        _check_own(key, path, where)
    if len({_same(path) for path in own.values()}) < len(own):
        raise SettingsError(f"{where}: {' and '.join(own)} name the same file. Rename one.")
    written = {_same(path) for path in own.values()}
    clash = [path for path in candidates if _is_reserved(path) or _same(path) in written]
    if clash:
        raise SettingsError(
            f"{where}: candidate.paths: contains {', '.join(sorted(clash))}, which the bot needs "
            f"for itself; an experiment must not change it. Reserved are {', '.join(_FILES)}, the "
            "scratchpad, report.svg, everything below bot/ and runner/, and names that begin with "
            ".git. Remove it from the list."
        )
    _check_folders([*candidates, *own.values()], where)
    for need in settings.candidate.needs:
        if found := [
            path for path in written if need == "." or f"{path}/".startswith(_same(f"{need}/"))
        ]:
            raise SettingsError(
                f"{where}: candidate.needs: {need!r} holds {found[0]}, which the bot writes at "
                "every verdict: whatever was measured would be measured anew each time. Name the "
                "files that the script reads one by one."
            )
    names = [phase.name for phase in settings.phase]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"{where}: phase: {', '.join(twice)} is there twice. Rename one.")


def _check_own(key: str, path: str, where: str) -> None:
    """Whether the bot may write a file of its own there."""
    try:
        plain_path(path)
    except ValueError as error:
        raise SettingsError(f"{where}: {key}: {error}.") from None
    if _is_reserved(path):
        raise SettingsError(
            f"{where}: {key}: {path!r} is needed for something else. Name a file that holds "
            "nothing else."
        )


_FILES = (FILE_NAME, "program.md", IMPORTED)
_FOLDERS = ("bot", "runner")


def _is_reserved(path: str) -> bool:
    """Whether the bot, the runner or git read their own orders there, on any file system."""
    parts = _same(path).split("/")
    return (
        "/".join(parts) in _FILES
        or parts[0] in _FOLDERS
        or any(part.startswith(".git") for part in parts)
    )


def _same(path: str) -> str:
    """One spelling for all that a file system may take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _check_folders(paths: Sequence[str], where: str) -> None:
    names = {_same(path): path for path in paths}
    for path in paths:
        above = (str(folder) for folder in PurePosixPath(_same(path)).parents)
        folder = next((names[name] for name in above if name in names), None)
        if folder is not None:
            raise SettingsError(
                f"{where}: candidate.paths: {folder!r} cannot be a file and the folder of "
                f"{path!r}. List files only."
            )
