"""Which file trains, and how its users start it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from bot.importing.project import CannotImport, Project

_STARTED_BY = {
    ".py": "python", ".sh": "sh", ".pl": "perl", ".awk": "awk", ".R": "Rscript", ".r": "Rscript",
    ".jl": "julia", ".rb": "ruby", ".lua": "lua", ".js": "node",
}  # fmt: skip
_TRAINS = re.compile(r"loss|accurac|\bscore|\bfit\(|backward|epoch|gradient", re.IGNORECASE)
# What it has to show, in its output or for a scorer.
_SHOWS = re.compile(r"\bprint|\bcat\(|\becho\b|console\.log|logg(er|ing)\.|\bOUT_DIR\b")
_NOT_A_SCRIPT = re.compile(
    r"(^|/)(tests?|docs?|examples?/.*tests?)/|test_|_test\.|setup\.py|conftest"
)
_TOLD_IN = re.compile(r"(^|/)(README[^/]*|Makefile|[^/]*\.(md|rst|txt|sh|ya?ml))$", re.IGNORECASE)
_ODD = re.compile(r"[|<>`$*?]|&&|;|\.\.\.")
_PYTHON = re.compile(r"^python[0-9.]*$")
_ASSIGNMENT = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Start:
    """How a script is started: the keys of `[candidate]`."""

    script: str
    command: tuple[str, ...]
    folder: str = "."
    environment: dict[str, str] = field(default_factory=dict)
    told_in: str = ""  # the file that says so; empty if it was made up

    @property
    def is_python(self) -> bool:
        """Whether a Python interpreter runs it."""
        return self.command[0] == "python"


def find_script(project: Project, asked: str | None) -> str:
    """The training script: the one that was asked for, or the likeliest.

    Raises:
        CannotImport: there is none, or several are as likely.
    """
    if asked is not None:
        path = project.inside(asked)
        if path not in project.tracked:
            raise CannotImport(
                f"{asked!r} is no file that is committed in this repository. Commit it first."
            )
        return path
    ranked = sorted(((_likelihood(project, path), path) for path in project.tracked), reverse=True)
    ranked = [(score, path) for score, path in ranked if score >= 3]
    if not ranked:
        raise CannotImport(
            "No training script was recognised. Name it: python -m bot init path/to/script"
        )
    best = [path for score, path in ranked if score == ranked[0][0]]
    if len(best) > 1:
        raise CannotImport(
            f"Several files look like training scripts: {', '.join(sorted(best)[:8])}. Name the "
            f"one that the bot is to improve: python -m bot init {sorted(best)[0]}"
        )
    return best[0]


def _likelihood(project: Project, path: str) -> float:
    name = PurePosixPath(path)
    if name.suffix not in _STARTED_BY or _NOT_A_SCRIPT.search(path):
        return 0
    text = project.text(path)
    if not _SHOWS.search(text) and name.suffix != ".awk":
        return 0
    stem = name.stem.lower()
    score = 5.0 if stem.startswith("train") else 3.0 if "train" in stem else 0.0
    score += 2.0 if {"main", "run", "fit", "experiment"} & set(stem.split("_")) else 0.0
    score += 2.0 if _TRAINS.search(text) else 0.0
    score += 1.0 if name.suffix == ".py" else 0.0
    return score - 0.5 * (len(name.parts) - 1)


def how_started(project: Project, script: str) -> Start:
    """How its users start it: as a README, Makefile or script says, else in the plain way."""
    likely = sorted(path for path in project.tracked if _TOLD_IN.search(path) and path != script)
    likely.sort(key=lambda path: ("readme" not in path.lower(), path.count("/")))
    for path in likely[:50]:
        for line in project.text(path).splitlines():
            start = read_line(line, script)
            if start is not None and project.inside(start.folder, _script_word(start)) == script:
                return with_seed(replace(start, told_in=path), project.text(script))
    suffix = PurePosixPath(script).suffix
    program = _STARTED_BY.get(suffix)
    if program is None:
        raise CannotImport(
            f"It is not known how {script} is started. Say it: --command 'PROGRAM {script} ...'"
        )
    words = (program, "-f", script) if suffix == ".awk" else (program, script)
    return with_seed(Start(script, words), project.text(script))


def as_told(command: str, script: str, folder: str, source: str) -> Start:
    """A command line that a person gave. Raises CannotImport."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CannotImport(f"--command {command!r} is no command line: {error}.") from None
    environment = {}
    while words and (match := _ASSIGNMENT.match(words[0])):
        environment[match[1]] = match[2]
        words = words[1:]
    if not words:
        raise CannotImport("--command names no program.")
    if _PYTHON.match(words[0]):
        words[0] = "python"
    return with_seed(Start(script, tuple(words), folder, environment), source)


def read_line(line: str, script: str) -> Start | None:
    """How one line of a text starts `script`, if it does and nothing in it is odd."""
    name = PurePosixPath(script).name
    if name not in line or len(line) > 500:
        return None
    line = line.strip().strip("`").removeprefix("$ ").removeprefix("@").strip()
    folder = "."
    if moved := re.match(r"cd ([\w./-]+) *(?:&&|;) *(.*)$", line):
        folder, line = str(PurePosixPath(moved[1])), moved[2]
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    if _ODD.search(line.partition("#")[0]):
        return None
    environment = {}
    while words and (match := _ASSIGNMENT.match(words[0])):
        environment[match[1]] = match[2]
        words = words[1:]
    if words[:2] in (["uv", "run"], ["poetry", "run"]):
        words = words[2:]
        words = ["python", *words] if words and words[0].endswith(".py") else words
    if len(words) < 2 or words[0] in {"cp", "mv", "cat", "vim", "nano", "git", "less", "chmod"}:
        return None
    if _PYTHON.match(words[0]):
        words[0] = "python"
    elif words[0] not in _STARTED_BY.values() and words[0] != "bash":
        return None
    if not any(PurePosixPath(word).name == name for word in words[1:]):
        return None
    return Start(script, tuple(words), folder, environment)


def _script_word(start: Start) -> str:
    name = PurePosixPath(start.script).name
    return next((word for word in start.command[1:] if PurePosixPath(word).name == name), "")


def with_seed(start: Start, source: str) -> Start:
    """The same with the run's seed as an argument, if the script takes one."""
    words = list(start.command)
    for number, word in enumerate(words):
        if word == "--seed" and number + 1 < len(words):
            words[number + 1] = "{seed}"
            return replace(start, command=tuple(words))
        if word.startswith("--seed="):
            words[number] = "--seed={seed}"
            return replace(start, command=tuple(words))
    if re.search(r"""["']--seed["']""", source):
        words += ["--seed", "{seed}"]
    return replace(start, command=tuple(words))


def takes_seed(start: Start, source: str) -> bool:
    """Whether the run's seed reaches the script at all, as far as its text tells."""
    return any("{seed}" in word for word in start.command) or bool(re.search(r"\bSEED\b", source))
