"""A project's own script, started as its users start it: in any language, with its own data.

The script runs in a writable copy of the project, at `/tmp/project`, for old scripts write where
they stand; its data is mounted read-only and linked to where it expects it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.errors import RequestError, RunnerError
from runner.interpreter import Interpreter
from runner.kinds.base import Launch
from runner.kinds.mounts import Data
from runner.sandbox.base import Mount
from runner.sandbox.runtime import runtime_mounts
from runner.settings import RunnerSettings

LOG_BYTES = 4 << 20
"""How much of the end of the output is kept."""
_SEARCH_PATH = "/usr/bin:/bin"  # of every sandbox

# $1: the candidate's files; then pairs of a mount and the place that it is linked to; after --
# the working folder and the command. HOME is the sandbox's folder for temporary files.
_START = """
set -e
project=$HOME/project
cp -R "$1" "$project"
cd "$project"
shift
while [ "$1" != -- ]; do
  mkdir -p "./$(dirname "$2")"
  ln -s "$1" "./$2"
  shift 2
done
mkdir -p "./$2"
cd "./$2"
shift 2
exec "$@"
"""


def runs_python(settings: RunnerSettings) -> bool:
    """Whether the script is started by the interpreter that `candidate.python` names."""
    command = settings.candidate.command
    return not command or command[0] == "python"


def runtime(settings: RunnerSettings, interpreter: Interpreter) -> tuple[Mount, ...]:
    """What the script's interpreter needs. Other programs belong to the bare system."""
    return runtime_mounts(interpreter.path) if runs_python(settings) else ()


def check_places(data: Sequence[Data], files: Mapping[str, bytes]) -> None:
    """Refuse data that would lie over the candidate's own files. Raises RequestError."""
    for place in (one.place for one in data if not one.place.startswith("/")):
        clash = next((path for path in files if f"{path}/".startswith(f"{place}/")), None)
        above = next((path for path in files if place.startswith(f"{path}/")), None)
        if found := clash or above:
            raise RequestError(
                f"The mount at {place} in bot.toml lies over {found}, which the candidate "
                "brings itself. Give it another target, or take the file from "
                "candidate.paths and candidate.needs."
            )


def launch(settings: RunnerSettings, interpreter: Interpreter, data: Sequence[Data]) -> Launch:
    """How the script is started, with its data."""
    inside = [one for one in data if not one.place.startswith("/")]
    places = {one: f"/mounts/{number}" for number, one in enumerate(inside)}
    links = [word for one in inside for word in (places[one], one.place)]
    start = ("/bin/sh", "-c", _START, "sh", "/candidate", *links, "--")
    return Launch(
        argv=(*start, settings.candidate.folder, *_command(settings, interpreter)),
        environment={
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **settings.candidate.environment,
        },
        mounts=tuple(Mount(one.source, places.get(one, one.place)) for one in data),
        log_bytes=LOG_BYTES,
    )


def _command(settings: RunnerSettings, interpreter: Interpreter) -> tuple[str, ...]:
    table = settings.candidate
    if not table.command:
        entry = os.path.relpath(table.entry, table.folder)
        return (str(interpreter.path), entry)
    first = str(interpreter.path) if runs_python(settings) else table.command[0]
    return (first, *table.command[1:])


def find_program(name: str) -> Interpreter:
    """The program that a command begins with, told by its content. Raises RunnerError."""
    path = Path(shutil.which(name, path=_SEARCH_PATH) or name)
    if not path.is_absolute():
        raise RunnerError(
            f"There is no program {name!r} in {_SEARCH_PATH.replace(':', ' or ')}, where "
            "candidates look for it. Install it there, or show its folder to them by [[mount]] and "
            "name it with its whole path in candidate.command."
        )
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise RunnerError(
            f"candidate.command in bot.toml names {path}, which cannot be read: {error.strerror}."
        ) from None
    return Interpreter(path, f"{path.name} sha256:{digest}", torch="")
