"""Runs for a benchmark, by the runner's own session, each written to a journal as it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.journal import Journal, Line, Value
from bot.history.reduce import comparable_class
from bot.proposers.constants import NotEditable, apply, find
from runner.batch import PlannedRun
from runner.digests import candidate_digest
from runner.display import display
from runner.errors import RequestError
from runner.request import Conditions
from runner.session import Session, open_session, settings_for
from runner.settings import RunnerSettings

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Code:
    """A candidate by name: the allowed files, and which constants were set to make them."""

    name: str
    files: Mapping[str, bytes]
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One run that a study needs. `number` tells repetitions and trials apart."""

    study: str
    code: Code
    seed: int
    number: int = 0


@dataclass(frozen=True)
class Laboratory:
    """This machine, ready to measure, and what was measured before."""

    session: Session
    journal: Journal

    @property
    def place(self) -> str:
        """What a line must have been measured with to count here and now."""
        same = self.session.comparability()
        return comparable_class(same.runner_class.id, same.harness)

    def with_sealed(self) -> Laboratory:
        """The same, where every training is also scored on the sealed split, as in audits."""
        return replace(self, session=replace(self.session, sealed=True))

    def known(self, job: Job) -> Line | None:
        """The run, if it was made already: of this very code, in this runner class."""
        digest = candidate_digest(job.code.files)
        wanted = (job.study, job.code.name, job.number, job.seed, digest, self.place)
        for line in self.journal.lines:
            seen = line.measurement
            key = (line.study, line.arm, line.number, seen.seed, seen.digests.candidate)
            if (*key, line.place) == wanted:
                return line
        return None

    def measure(self, jobs: Sequence[Job]) -> Iterator[Line]:
        """Make the runs that are missing, in their order; gives the new ones as they end.

        A code with other constants than the file's gets a smoke run before its first full run.
        """
        missing = [job for job in jobs if self.known(job) is None]
        if not missing:
            return
        planned = [
            PlannedRun(f"{job.study}, {job.code.name}, seed {job.seed}", job.code.files, job.seed,
                       smoke=bool(job.code.values))
            for job in missing
        ]  # fmt: skip
        name = self.session.settings.metric.name
        with display(name) as emit, self.session.batch(emit) as batch:
            for job, result in zip(missing, batch.run(planned), strict=True):
                line = Line(
                    study=job.study,
                    arm=job.code.name,
                    number=job.number,
                    values=dict(job.code.values),
                    finished_at=int(time.time()),
                    measurement=result,
                )
                self.journal.append(line)
                yield line


def open_laboratory(
    journal: Journal, repository: Path, *, budget_s: float | None = None
) -> Laboratory:
    """Everything ready for runs of `repository`, whose bot.toml tells the circumstances.

    Raises RunnerError.
    """
    conditions = Conditions(repository=str(repository), budget_s=budget_s)
    settings = settings_for(conditions, None)
    # As the bot sends them to its runner: a default of 5 and one of 5.0 are two harnesses.
    sent = settings.model_dump_json(exclude_none=True)
    settings = RunnerSettings.model_validate_json(sent)
    with display(settings.metric.name) as emit:
        session = open_session(conditions, settings, emit, unconfined=False)
    made = Laboratory(session, journal)
    others = sum(line.place != made.place for line in journal.lines)
    facts = session.runner_class
    print(
        f"Runner class {facts.id}: {facts.device}, {facts.data}, {facts.budget_s:g} s of training; "
        f"{len(journal.lines) - others} runs in {journal.path} count here, {others} do not.",
        file=sys.stderr,
    )
    return made


def changed(name: str, files: Mapping[str, bytes], entry: str, values: Mapping[str, Value]) -> Code:
    """`files` with some constants of the entry file set. Raises RequestError for unknown ones."""
    try:
        edited = apply(files[entry], values)
        find(edited)
    except NotEditable as error:
        raise RequestError(f"{name}: {error}") from None
    return Code(name, {**files, entry: edited}, dict(values))
