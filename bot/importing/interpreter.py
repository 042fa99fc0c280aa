"""Which Python runs an existing script: the first that can import what it imports."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError
from runner.interpreter import ask

_OWN = (".venv", "venv", "env", ".env")


@dataclass(frozen=True)
class Python:
    """An interpreter as `candidate.python` names it, and the modules that it lacks."""

    path: str
    missing: tuple[str, ...]


def find_python(folder: Path, modules: Iterable[str]) -> Python | None:
    """The interpreter with the fewest of `modules` missing: the project's own before others."""
    wanted = sorted(modules)
    found = [Python(path, _missing(folder / path, wanted)) for path in _paths(folder)]
    usable = [one for one in found if one.missing is not None]
    return min(usable, key=lambda one: len(one.missing), default=None)


def check_python(folder: Path, path: str, modules: Iterable[str]) -> Python:
    """An interpreter that a person named."""
    return Python(path, _missing(folder / path, sorted(modules)))


def _paths(folder: Path) -> Iterator[str]:
    for name in _OWN:
        if os.access(folder / name / "bin" / "python", os.X_OK):
            yield f"{name}/bin/python"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if prefix := os.environ.get(variable):
            yield f"{prefix}/bin/python"
    yield sys.executable
    yield "/usr/bin/python3"


def _missing(python: Path, modules: list[str]) -> tuple[str, ...]:
    """Those of `modules` that an interpreter cannot find; all of them if it does not start."""
    question = (
        "import importlib.util, json\n"
        "def lacks(name):\n"
        "    try:\n"
        "        return importlib.util.find_spec(name) is None\n"
        "    except (ImportError, ValueError):\n"
        "        return True\n"
        f"print(json.dumps([name for name in {modules!r} if lacks(name)]))"
    )
    try:
        return tuple(json.loads(ask(python, question)))
    except (RunnerError, ValueError):
        return (*modules, "(it does not start)")
