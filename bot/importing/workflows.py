"""The workflows that init proposes: this project's own, with the bot installed from elsewhere.

`measure.yml` and `step.yml` beside this file are links to the workflows that this project lints,
tests and uses itself, so that there is one version of them; a wheel holds their text.
"""

from __future__ import annotations

import json
import re
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from bot.errors import SettingsError
from bot.git import Repository
from bot.importing.files import Plan
from bot.importing.project import CannotImport
from bot.settings import FILE_NAME, load

REQUIREMENT = ".github/mergelab.txt"
"""The file that says where pip gets the bot from: the workflows install what it names."""
WORKFLOWS = ("measure.yml", "step.yml")
_PACKAGE = "mergelab"
_OWN_REQUIREMENT = "requirements/bot.txt"
# An address without a password in it, and a version that nobody can change afterwards.
_ADDRESS = r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/+%-]+"
_PINNED = re.compile(
    rf"{_PACKAGE}==[0-9][A-Za-z0-9.+!]*"
    rf"|git\+{_ADDRESS}@[0-9a-f]{{40}}"
    rf"|{_ADDRESS}\.(?:whl|tar\.gz|zip)#sha256=[0-9a-f]{{64}}"
)
_ON_GITHUB = re.compile(
    r"(?:https://(?:[^@/\s]+@)?github\.com/|(?:ssh://)?git@github\.com[:/])"
    r"([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:\.git)?/?"
)
_FORMS = (
    "mergelab==VERSION, git+https://HOST/OWNER/NAME@COMMIT with the whole commit, or "
    "https://HOST/PATH.whl#sha256=DIGEST"
)


def workflow_files(requirement: str) -> dict[str, str]:
    """The files that let GitHub Actions work on a project, by path.

    Args:
        requirement: where pip gets the bot from, as `pinned` or `installed_from` gives it.
    """
    made = {f".github/workflows/{name}": _workflow(name) for name in WORKFLOWS}
    note = (
        "# The bot and its runner, as the workflows install them. The machine with the GPU needs\n"
        "# the same: numbers of another version are not believed.\n"
    )
    return {REQUIREMENT: f"{note}{requirement}\n", **made}


def _workflow(name: str) -> str:
    text = files("bot.importing").joinpath(name).read_text(encoding="utf-8")
    return text.replace(_OWN_REQUIREMENT, REQUIREMENT)


def pinned(source: str) -> str:
    """A requirement of pip for a source that a person named. Raises CannotImport."""
    address = source.removeprefix(_PACKAGE).lstrip().removeprefix("@").lstrip()
    plain = source if source.startswith(f"{_PACKAGE}==") else address
    if not _PINNED.fullmatch(plain):
        raise CannotImport(
            f"--source {source!r} does not say for good what is installed, or needs a password. "
            f"Name {_FORMS}."
        )
    return plain if plain.startswith(_PACKAGE) else f"{_PACKAGE} @ {plain}"


def installed_from() -> str:
    """The requirement that this bot itself was installed by. Raises CannotImport: not told."""
    try:
        told = metadata.distribution(_PACKAGE).read_text("direct_url.json")
        where = json.loads(told or "{}")
        return pinned(_source(where))
    except (metadata.PackageNotFoundError, ValueError, TypeError, AttributeError, CannotImport):
        raise CannotImport(
            "The workflows have to install the bot, and it is not known from where: this one was "
            "not installed from an address that GitHub could reach. Name one: --source with "
            f"{_FORMS}."
        ) from None


def _source(where: Any) -> str:
    """An installation's address (`direct_url.json`) in the form that pip installs it again from."""
    if where.get("subdirectory"):
        return ""
    if commit := where.get("vcs_info", {}).get("commit_id"):
        return f"git+{where['url']}@{commit}"
    archive = where.get("archive_info", {})
    digest = archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix(
        "sha256="
    )
    return f"{where.get('url', '')}#sha256={digest}"


def missing_for(repository: Repository, plan: Plan | None) -> tuple[str, ...]:
    """What the workflows still lack in a repository, in words for a person.

    Args:
        repository: where they are to work.
        plan: what bot.toml is going to say; None: there is one already.
    """
    if plan is not None:
        lacks = plan.on_github is None
        reason = "Remote origin does not lead to github.com"
        scored = (plan.scored.inputs, plan.scored.targets) if plan.scored else ()
        data = (*plan.mounts, *scored)
    else:
        try:
            settings = load(repository.path)
        except SettingsError as error:
            return (str(error),)
        lacks = settings.forge.kind != "github"
        reason = f"{FILE_NAME} does not say that pull requests live on GitHub"
        data = (*(mount.source for mount in settings.mount), *settings.task.hidden.values())
    told = tuple(_gone(path) for path in data if not _survives(repository, path))
    if lacks:
        told = (
            f'{reason}: write kind = "github" and repository = "OWNER/NAME" under [forge] in '
            f"{FILE_NAME}, or the workflows have nothing to do (docs/github.md).",
            *told,
        )
    return told


def _survives(repository: Repository, path: str) -> bool:
    """Whether data is still there where measure.yml has checked the repository out afresh."""
    if Path(path).expanduser().is_absolute():
        return True
    git = repository.git
    listed = git.run("--literal-pathspecs", "ls-files", "--", path, accepted=(0, 128)).stdout
    return bool(listed)  # 128: it lies outside of the repository


def _gone(path: str) -> str:
    return (
        f"{path} is not committed, and only committed files survive the checkout on the machine "
        f"with the GPU. Put the data into a place of its own there, and name that in {FILE_NAME} "
        "by its absolute path; a [[mount]] says with target where the script finds it "
        "(docs/github.md)."
    )


def on_github(repository: Repository) -> str | None:
    """The repository on GitHub that `origin` leads to, as "owner/name"; else None."""
    told = repository.git.run("config", "--get", "remote.origin.url", accepted=(0, 1)).stdout
    found = _ON_GITHUB.fullmatch(told.decode(errors="replace").strip())
    return found[1] if found else None
