"""A project's own script with a scorer of its own, which runs where no candidate can reach.

The script is started twice. In training it sees its data and saves what it needs; then, in a
fresh sandbox, it predicts for inputs that training did not see. The scorer comes from the tree
that is measured, where no experiment may change it, and runs in a third sandbox with the answers,
which the other two never see. What it prints is believed; nothing that the candidate prints is.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from runner.candidate import run_git
from runner.digests import data_digest, scorer_digest
from runner.errors import DataError, InvalidOutput, RequestError
from runner.interpreter import Interpreter, find_interpreter
from runner.kinds import mounts, project
from runner.kinds.base import Evidence, Judge, Launch, Numbers, Scoring, Staged
from runner.result import Split
from runner.sandbox.base import Mount
from runner.sandbox.runtime import runtime_mounts
from runner.settings import METRIC_NAME, RunnerSettings
from runner.task_tables import MountTable

GROUP = "inputs"
"""The one group of inputs: everything is predicted at once."""
MOST_NUMBERS = 50
_LONGEST_LINE = 10_000


@dataclass(frozen=True)
class Hidden:
    """Inputs and answers of one split, which training does not see."""

    inputs: mounts.Data
    targets: mounts.Data


@dataclass(frozen=True)
class PredictionsTask:
    """A project with a script that predicts and a scorer (`runner.kinds.base.Task`)."""

    repository: Path  # links followed
    settings: RunnerSettings
    interpreter: Interpreter  # of the script; if it needs none, the program that it starts with
    python: Interpreter  # of the scorer
    data: tuple[mounts.Data, ...]
    splits: Mapping[Split, Hidden]
    digest: str
    _copies: dict[tuple[str, Path], Path] = field(default_factory=dict, compare=False, repr=False)
    self_reported = False

    @classmethod
    def open(
        cls,
        repository: Path,
        settings: RunnerSettings,
        interpreter: Interpreter,
        cache: Path,
        on_progress: Callable[[float, str], None],
        *,
        base: str | None = None,
    ) -> PredictionsTask:
        """Find all data and tell it by its content. Raises RunnerError: data is not there.

        The scorer is told with it, as it is on the branch `base` or else in the working tree:
        what two scorers make of the same data cannot be compared.
        """
        data, splits = find(repository, settings, cache)
        hidden = [one for split in splits.values() for one in (split.inputs, split.targets)]
        content = mounts.digest((*data, *hidden), cache, on_progress)
        scorer = hashlib.sha256(_scorer(repository, settings.task.scorer, base)).hexdigest()
        digest = data_digest({"content": content, "scorer": scorer})
        python = interpreter
        if not project.runs_python(settings):  # the scorer is Python, whatever the script is
            python = find_interpreter(repository, settings.candidate)
        home = repository.resolve()
        return cls(home, settings, interpreter, python, data, splits, digest)

    @property
    def version(self) -> str:
        """That the data is the project's own, and a digest of it and of the scorer."""
        return f"own-{self.digest[:12]}"

    @property
    def scorer(self) -> str:
        """SHA-256 of the code that reads what the scorer prints; it is itself a measured file."""
        return scorer_digest("predictions")

    def runtime(self) -> tuple[Mount, ...]:
        """The interpreter of the script."""
        return project.runtime(self.settings, self.interpreter)

    def check(self, files: Mapping[str, bytes]) -> None:
        """Refuse data that would lie over the candidate's own files, and files with the answers."""
        project.check_places(self.data, files)
        everything = [h for split in self.splits.values() for h in (split.inputs, split.targets)]
        for hidden in everything:
            for path in files:
                if (self.repository / path).is_relative_to(hidden.source):
                    raise RequestError(
                        f"{path}, which candidate.paths or candidate.needs in bot.toml names, "
                        f"belongs to task.{hidden.place}. Keep it apart."
                    )

    def full(self, split: Split, folder: Path) -> Staged:
        """The whole budget, then predictions for all inputs of the split."""
        return self._staged(split, folder, self._judge, stoppable=False)

    def sealed(self, folder: Path) -> Staged | None:
        """The sealed split; None where bot.toml names none: an audit is on fresh seeds then."""
        return self.full("sealed", folder) if "sealed" in self.splits else None

    def smoke(self, folder: Path) -> Staged:
        """The first seconds. A script that still trains then is not asked for predictions."""

        def judge(evidence: Evidence) -> None:
            if evidence.predictions:
                self._judge(evidence)

        return self._staged("validation", folder, judge, stoppable=True)

    def _staged(self, split: Split, folder: Path, judge: Judge, *, stoppable: bool) -> Staged:
        hidden = self.splits[split]
        # Under one name in both splits, which the script and the scorer know.
        task = self.settings.task
        inputs = _folder_of(hidden.inputs, Path(task.inputs).name, folder)
        if "sealed" in self.splits:
            inputs = self._without_origin(hidden.inputs.place, inputs, folder)
        targets = _folder_of(hidden.targets, Path(task.targets).name, folder)
        launch = project.launch(self.settings, self.interpreter, self.data)
        training = {**launch.environment, "PHASE": "train"}
        predicting = {**launch.environment, "SEED": "{seed}"}
        return Staged(
            launch=replace(launch, environment=training),
            inputs={GROUP: inputs},
            judge=judge,
            slack_s=self.settings.budget.grace_s,
            stoppable=stoppable,
            predicting=replace(launch, environment=predicting),
            scoring=self._scoring(inputs, targets),
        )

    def _without_origin(self, place: str, inputs: Path, workplace: Path) -> Path:
        """A copy of inputs at a place that does not tell which split they are of.

        Mounts tell their origin, and a prediction must not know whether it is made for an audit.
        """
        key = (place, workplace)
        copy = self._copies.setdefault(key, workplace / f"inputs-{secrets.token_hex(4)}")
        if not copy.exists():  # full and smoke runs share it
            shutil.copytree(inputs, copy, symlinks=True)
        return copy

    def _scoring(self, inputs: Path, targets: Path) -> Scoring:
        entry = self.settings.task.scorer
        launch = Launch(
            argv=(str(self.python.path), "-u", "-B", f"/scorer/{entry}"),
            environment={
                "PREDICTIONS_DIR": f"/predictions/{GROUP}",
                "TARGETS_DIR": "/targets",
                "DATA_DIR": "/inputs",
                "PYTHONHASHSEED": "0",
            },
            mounts=(
                *runtime_mounts(self.python.path),
                Mount(inputs, "/inputs"),
                Mount(targets, "/targets"),
            ),
            log_bytes=project.LOG_BYTES,
        )
        return Scoring(launch, frozenset(self.settings.candidate.paths), entry)

    def _judge(self, evidence: Evidence) -> Numbers:
        return read(evidence.scored, self.settings.metric.name)


def _folder_of(data: mounts.Data, name: str, workplace: Path) -> Path:
    """The folder to show; of a single file a copy, called `name`, in a folder of its own."""
    if not data.source.is_file():
        return data.source
    folder = workplace / f"only-{data.place}"
    if not folder.exists():  # full and smoke runs share it
        folder.mkdir(mode=0o755)
        copy = folder / name
        shutil.copyfile(data.source, copy)
        copy.chmod(0o644)
    return folder


def read(log: bytes, metric: str) -> Numbers:
    """The numbers in what a scorer printed: its last line that begins like a JSON object.

    Raises:
        InvalidOutput: there is no such line, or no finite number of this name in it.
    """
    lines = (line.strip() for line in reversed(log.splitlines()))
    line = next((line for line in lines if line.startswith(b"{")), b"")
    if not line or len(line) > _LONGEST_LINE:
        raise InvalidOutput("the scorer printed no JSON object with the metric")
    try:
        told = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise InvalidOutput("what the scorer printed is no JSON object") from None
    numbers = {name: value for name, value in told.items() if _is_number(name, value)}
    if metric not in numbers:
        others = ", ".join(sorted(numbers)[:5]) or "none at all"
        raise InvalidOutput(f"the scorer printed no finite number called {metric}, but {others}")
    if len(numbers) > MOST_NUMBERS:
        raise InvalidOutput(f"the scorer printed more than {MOST_NUMBERS} numbers")
    value = numbers.pop(metric)
    return Numbers(value, numbers)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _is_number(name: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return bool(re.fullmatch(METRIC_NAME, name)) and math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def find(
    repository: Path, settings: RunnerSettings, cache: Path
) -> tuple[tuple[mounts.Data, ...], Mapping[Split, Hidden]]:
    """The mounts, and inputs and answers of each split on this machine. Raises DataError."""
    data = mounts.find(repository, settings.mount, cache)
    hidden = {
        key: _find(repository, cache, key, source) for key, source in settings.task.hidden.items()
    }
    _check_apart(data, hidden)
    splits: dict[Split, Hidden] = {"validation": Hidden(hidden["inputs"], hidden["targets"])}
    if "sealed_inputs" in hidden:
        splits["sealed"] = Hidden(hidden["sealed_inputs"], hidden["sealed_targets"])
    return data, splits


def _find(repository: Path, cache: Path, key: str, source: str) -> mounts.Data:
    (found,) = mounts.find(
        repository, [MountTable(source=source, target=key)], cache, f"task.{key}"
    )
    return found


def _scorer(repository: Path, path: str, base: str | None) -> bytes:
    """The text of the scorer; none where it is missing, which whatever is run will say."""
    try:
        if base is not None:
            return run_git(repository, "cat-file", "blob", f"{base}:{path}")
        return (repository / path).read_bytes()
    except (OSError, RequestError):
        return b""


def _check_apart(data: tuple[mounts.Data, ...], hidden: Mapping[str, mounts.Data]) -> None:
    """Refuse inputs or answers that something else shows; links were followed before."""
    for key, one in hidden.items():
        for other in (*data, *hidden.values()):
            above = one.source.is_relative_to(other.source)
            if other is not one and (above or other.source.is_relative_to(one.source)):
                raise DataError(
                    f"task.{key} in bot.toml, {one.source}, overlaps with {other.source}, "
                    "which is shown elsewhere. Move one of them into a folder of its own."
                )
        if not os.access(one.source, os.R_OK):
            raise DataError(f"task.{key} in bot.toml, {one.source}, cannot be read.")
