"""SHA-256 digests of what a number depends on. Imports nothing heavy: the bot uses it too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.settings import RunnerSettings

_RUNNER = Path(__file__).parent
_NO_PART = {"redteam", "actions", "service"}
_SCORERS = {
    "retrieval": "task/score.py",
    "predictions": "kinds/predictions.py",  # the project's own scorer is among the files
    "reported": "kinds/reported.py",
}


def candidate_digest(files: Mapping[str, bytes]) -> str:
    """The identity of a candidate: hexadecimal SHA-256 over its allowed files.

    `files` maps paths inside the repository to contents. Each name and each content is
    preceded by its length, so that no two different sets of files can look the same.
    """
    digest = hashlib.sha256(b"candidate 1\n")
    for path in sorted(files):
        for part in (path.encode(), files[path]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def data_digest(value: Mapping[str, Any]) -> str:
    """SHA-256 of plain data (strings, numbers, lists, dictionaries), independent of key order."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def scorer_digest(kind: str) -> str:
    """SHA-256 of the file that makes the metric of a kind of task (`task.kind` in bot.toml)."""
    return hashlib.sha256((_RUNNER / _SCORERS[kind]).read_bytes()).hexdigest()


_DATA = ("inputs", "targets", "sealed_inputs", "sealed_targets")  # a part of the runner class


def shaping(settings: RunnerSettings) -> dict[str, Any]:
    """The settings that can change a number and are not in the runner class already."""
    metric = {"pattern", "secondary"}
    if settings.task.kind == "predictions":
        metric.add("name")  # it chooses among the numbers of the scorer; elsewhere it is a label
    return {
        "candidate": settings.candidate.model_dump(exclude={"python", "max_bytes"}),
        "metric": settings.metric.model_dump(include=metric),
        "task": settings.task.model_dump(exclude={"size", *_DATA}),
        "mount": [mount.place for mount in settings.mount],
        "budget": settings.budget.model_dump(include={"grace_s", "predict_s"}),
        "sandbox": settings.sandbox.model_dump(exclude={"backend"}),
    }


def harness_digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the runner's own sources together with the settings that shape a run.

    Without the red team, which attacks what is measured with, and what talks to GitHub: none
    is a part of it.
    """
    paths = (path.relative_to(_RUNNER) for path in sorted(_RUNNER.rglob("*.py")))
    sources = {
        path.as_posix(): (_RUNNER / path).read_bytes()
        for path in paths
        if path.parts[0] not in _NO_PART
    }
    sources["settings"] = data_digest(settings).encode()
    return candidate_digest(sources)
