"""The scratch folder of an agent: laid out for it, copied in its sandbox, and read back.

Everything that lies there afterwards is the agent's: regular files of known names alone are
looked at, each up to a bound.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.policy.rules import Rules

HYPOTHESIS = "hypothesis.json"
_MOST_STATED = 64 << 10  # bytes of hypothesis.json


class Unusable(Exception):
    """What the agent left says no hypothesis; the message says why."""


class Stated(BaseModel):
    """`hypothesis.json`, as an agent wrote it."""

    model_config = ConfigDict(extra="ignore", strict=True)

    title: str = Field(min_length=1, max_length=300)
    rationale: str = Field(min_length=1, max_length=10_000)
    expected: str = Field(default="", max_length=10_000)
    falsified_by: str = Field(default="", max_length=10_000)
    notes: str = Field(default="", max_length=20_000)


def lay_out(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files; the job may be another user, who can read but not change them."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o644)
    for one in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        one.chmod(0o755)


def script(paths: tuple[str, ...]) -> str:
    """Run the agent in a scratch copy, then put what may be read back into the output folder."""
    wanted = " ".join(shlex.quote(path) for path in (*paths, HYPOTHESIS))
    return (
        "work=/tmp/work\n"
        'mkdir -p "$work" && cp -R /task/. "$work" && cd "$work" || exit 97\n'
        '"$@"\n'
        "code=$?\n"
        'cd "$work" || exit 98\n'
        f"for file in {wanted}; do\n"
        '  if [ -f "./$file" ] && [ ! -L "./$file" ]; then\n'
        '    mkdir -p "/out/$(dirname "$file")" && cp "./$file" "/out/$file" || exit 99\n'
        "  fi\n"
        "done\n"
        'exit "$code"\n'
    )


def allowed_files(folder: Path, rules: Rules) -> dict[str, bytes]:
    """The allowed files that the agent left; those that are too large are cut one byte later."""
    found = {}
    for path in rules.paths:
        file = folder / path
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                found[path] = opened.read(rules.max_bytes + 1)
    return found


def stated(folder: Path) -> Stated:
    """What the agent says of its change. Raises Unusable."""
    path = folder / HYPOTHESIS
    if not path.is_file() or path.is_symlink():
        raise Unusable(f"the agent left no {HYPOTHESIS}")
    try:
        with path.open("rb") as file:
            return Stated.model_validate_json(file.read(_MOST_STATED + 1)[:_MOST_STATED])
    except (ValidationError, ValueError, RecursionError):
        reason = f"{HYPOTHESIS} is not a JSON object with `title` and `rationale` as texts"
        raise Unusable(reason) from None
