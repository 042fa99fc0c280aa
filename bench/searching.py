"""Plain Optuna over the constants of a script: all of them at once, one run for each trial.

A trial depends on the seed, its number and the trials before it, so that a search that was
interrupted goes on as if nothing had been.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.journal import Line, Value
from bench.measuring import Code, Job, Laboratory, changed
from bot.proposers.constants import Constant, find
from bot.proposers.sampling import distribution
from runner.request import MAX_SEED

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

Sampler = Literal["tpe", "random"]
SAMPLERS: tuple[Sampler, ...] = ("tpe", "random")


@dataclass(frozen=True)
class Search:
    """A search for the constants of `files[entry]`, whose own values are the first trial."""

    study: str
    sampler: Sampler
    seed: int
    files: Mapping[str, bytes]
    entry: str
    lower: bool = True  # whether the metric is better when it is lower

    def run(self, laboratory: Laboratory, trials: int) -> Iterator[Line]:
        """Go on until there are so many trials; gives every one of them, also the older ones."""
        constants = find(self.files[self.entry]).constants
        done: list[Line] = []
        for number in range(trials):
            values = self.values(constants, done, number)
            code = self._code(constants, values, number)
            job = Job(self.study, code, self._dice(number, "run"), number)
            for _ in laboratory.measure([job]):
                pass
            line = laboratory.known(job)
            assert line is not None
            done.append(line)
            yield line

    def values(
        self, constants: Sequence[Constant], done: Sequence[Line], number: int
    ) -> dict[str, Value]:
        """What the next trial is to try."""
        import optuna

        if number == 0:
            return {constant.name: constant.value for constant in constants}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        seed = self._dice(number, "sampler")
        space = {constant.name: distribution(constant) for constant in constants}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            samplers = optuna.samplers
            plain = samplers.TPESampler if self.sampler == "tpe" else samplers.RandomSampler
            study = optuna.create_study(
                sampler=plain(seed=seed), direction="minimize" if self.lower else "maximize"
            )
            for line in done:
                study.add_trial(self._trial(line, constants, space))
            return dict(study.ask(space).params)

    def _trial(
        self,
        line: Line,
        constants: Sequence[Constant],
        space: Mapping[str, BaseDistribution],
    ) -> FrozenTrial:
        import optuna

        own = {constant.name: constant.value for constant in constants}
        value = line.measurement.metric
        state = optuna.trial.TrialState
        return optuna.trial.create_trial(
            params={**own, **line.values},
            distributions=dict(space),
            value=value,
            state=state.FAIL if value is None else state.COMPLETE,
        )

    def _code(
        self, constants: Sequence[Constant], values: Mapping[str, Value], number: int
    ) -> Code:
        own = {constant.name: constant.value for constant in constants}
        other = {name: value for name, value in values.items() if value != own[name]}
        return changed(f"trial {number}", self.files, self.entry, other)

    def _dice(self, number: int, purpose: str) -> int:
        text = f"{self.study}/{self.sampler}/{self.seed}/{number}/{purpose}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % (MAX_SEED + 1)


def best(trials: Sequence[Line], *, lower: bool = True) -> Line | None:
    """The trial with the best value, as plain Optuna would name it; None if all failed."""
    scored = [line for line in trials if line.measurement.metric is not None]
    sign = 1 if lower else -1
    return min(scored, key=lambda line: sign * (line.measurement.metric or 0.0), default=None)
