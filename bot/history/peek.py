"""The few things that `bot log` needs of bot.toml, without the time that full checking takes.

Whatever is not plainly right here is handed to `bot.settings`, which explains what is wrong.
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import BotError

DEFAULT_ALPHA = 0.006
"""`bot.verdict.VerdictRule().alpha`, which takes too long to ask."""


@dataclass(frozen=True)
class Peek:
    """Where the ledger is and what its numbers are."""

    folder: Path
    base: str
    metric: str
    direction: str
    alpha: float
    self_reported: bool = False

    @property
    def metric_shown(self) -> str:
        """The metric's name as people read it: a self-reported one always says so."""
        return f"{self.metric} (self-reported)" if self.self_reported else self.metric


def peek(start: Path) -> Peek:
    """Look at the repository around `start`. Raises BotError with what to do."""
    folder = _top_folder(start)
    try:
        document = tomllib.loads((folder / "bot.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _carefully(folder)
    base = _string(document, "repository", "base", "main")
    metric = _string(document, "metric", "name", "mean_rank")
    direction = _string(document, "metric", "direction", "lower")
    alpha = document.get("verdict", {})
    alpha = alpha.get("alpha", DEFAULT_ALPHA) if isinstance(alpha, dict) else None
    plain = base is not None and metric is not None and direction in {"lower", "higher"}
    if not plain or not isinstance(alpha, float):
        return _carefully(folder)
    reported = _string(document, "task", "kind", "retrieval") == "reported"
    return Peek(folder, str(base), str(metric), str(direction), alpha, reported)


def _top_folder(start: Path) -> Path:
    asked = ("--is-shallow-repository", "--show-toplevel")
    command = ["git", "-C", str(start), "rev-parse", *asked]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise BotError("The program git was not found. Install git 2.38 or newer.") from None
    if done.returncode != 0:
        raise BotError(
            f"{start} is not inside a git repository with a working tree. Change into your "
            "clone and run the command again."
        )
    shallow, _, folder = os.fsdecode(done.stdout).rstrip("\n").partition("\n")
    if shallow == "true":
        from bot.history.clones import ShallowClone

        raise ShallowClone(Path(folder))
    return Path(folder)


def _string(document: dict[str, Any], table: str, key: str, default: str) -> str | None:
    content = document.get(table, {})
    value = content.get(key, default) if isinstance(content, dict) else None
    return value if isinstance(value, str) else None


def _carefully(folder: Path) -> Peek:
    from bot.settings import load

    settings = load(folder)
    metric = settings.metric
    return Peek(
        folder,
        settings.repository.base,
        metric.name,
        metric.direction,
        settings.verdict.alpha,
        settings.self_reported,
    )
