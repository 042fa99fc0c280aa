"""Measures by dispatching measure.yml: whoever has a runner takes the work (`bot.run.base`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from bot.errors import RunnerFailed
from bot.forge.base import Comment, Forge, ForgeError, Permission, State
from bot.git import Repository
from bot.history.ledger import read as read_ledger
from bot.history.past import latest_class
from bot.history.reduce import class_of, comparable_class
from bot.measuring import needs_smoke
from bot.notify.send import tell_of
from bot.people.commands import Verb, commands_in
from bot.people.record import is_own
from bot.proposing.place import BOT
from bot.run.base import Ended, Order, Post
from bot.settings import Settings
from bot.workflows.collect import MOST_TRIES, Collector, Found
from bot.workflows.runs import Runs, WorkflowRun
from runner.actions.documents import Asked, AskedRun
from runner.digests import harness_digest, shaping
from runner.result import Measurement

UNKNOWN = "unknown"
"""The runner class before anything was measured: no number is comparable with it."""


@dataclass
class WorkflowMeasurer:
    """Asks GitHub Actions for runs, and takes in what was measured since the last step.

    `slots` says only how many attempts are asked for between two looks: runners take from one
    queue, and more of them need no setting.
    """

    repository: Repository
    forge: Forge
    settings: Settings
    runs: Runs
    say: Callable[[str], None]
    slots: tuple[str, ...] = ("GitHub Actions",)
    _found: Found = field(default_factory=lambda: Found({}, {}))
    _asked: set[str] = field(default_factory=set)
    _hopeless: set[str] = field(default_factory=set)

    def runner_class(self) -> str:
        """Take in what was measured; the class of the latest of it, with the runner of now.

        The machine with the GPU is not here: what it is, only results tell. So before the first
        one, and after a change of the runner's files or of the budget, no class is known, and
        all is measured anew.
        """
        collector = Collector(self.repository, self.forge, self.settings, self.runs, self.say)
        self._found = collector.collect()
        self._hopeless = {one for one, tries in self._found.lost.items() if self._spent(one, tries)}
        for attempt in sorted(self._hopeless):
            self._tell_lost(attempt, self._found.lost[attempt])
        harness = harness_digest(shaping(self.settings))
        name = self._latest(harness) or comparable_class(UNKNOWN, harness)
        self.say(f"Runner class {name} (of the latest measurement)")
        return name

    def elsewhere(self, attempts: Collection[str]) -> frozenset[str]:
        """Those that a run of measure.yml is for, or that wait for a person."""
        return frozenset(one for one in attempts if self._busy(one))

    def start(self, job: int, order: Order, slot: str, post: Post) -> Dispatched:
        """Ask for the missing runs of an attempt, unless that was in vain too often."""
        del slot
        self._asked.add(order.attempt)
        try:
            self._ask(order)
        except (ForgeError, RunnerFailed) as error:
            post(Ended(job, error))
        else:
            post(Ended(job))
        return Dispatched()

    def _ask(self, order: Order) -> None:
        if order.number is None:
            raise RunnerFailed(  # never asked for, see bot.workflows.terms
                "Audits are not measured by workflows. Run `python -m bot audit` on a machine "
                "with a runner."
            )
        asked = Asked(
            pr=order.number,
            head_sha=order.head,
            base_sha=self.forge.base(),  # the runner that measures is the one of now
            attempt=order.attempt,
            runs=tuple(
                AskedRun(
                    index=index,
                    side="baseline" if run.side == "baseline" else "candidate",
                    seed=run.seed,
                    smoke=needs_smoke(run),
                )
                for index, run in order.runs
            ),
        )
        address = self.runs.ask(asked)
        self.say(f"#{order.number}: asked for attempt {order.attempt} {address}".rstrip())

    def _busy(self, attempt: str) -> bool:
        return attempt in self._asked | self._hopeless or attempt in self._found.waiting

    def _spent(self, attempt: str, tries: Sequence[WorkflowRun]) -> bool:
        """Whether it was asked for in vain too often since a person last said `/bot rerun`."""
        if len(tries) < MOST_TRIES:
            return False
        asked = 0
        for comment in self.forge.pull(_number(attempt)).comments:
            if comment.edited or comment.author.is_bot:
                continue
            found = commands_in(comment.body)
            meant = any(one.verb is Verb.RERUN and not one.malformed for one in found)
            if meant and self._may_write(comment):
                asked = max(asked, comment.created_at)
        return sum(run.created_at.timestamp() > asked for run in tries) >= MOST_TRIES

    def _may_write(self, comment: Comment) -> bool:
        return self.forge.permission(comment.author) is Permission.WRITE

    def _tell_lost(self, attempt: str, tries: Sequence[WorkflowRun]) -> None:
        """Once for each attempt, where people look."""
        number = _number(attempt)
        mark = f"Attempt {attempt} came to nothing {len(tries)} times"
        address = tries[0].html_url
        self.say(f"#{number}: {mark.lower()}; it waits for a person. {address}")
        comments = self.forge.pull(number).comments
        if any(mark in c.body for c in comments if is_own(c.author, self.forge.bot)):
            return
        text = (
            f"{mark}: the workflow ended without a result that can be believed. The latest run "
            f"says why: {address}. Mend the runner, then ask for it again with `/bot rerun`."
        )
        self.forge.comment(number, BOT, text)
        # The step itself ends well, and a comment is read in the morning.
        lost = RunnerFailed(f"#{number}: {mark[0].lower()}{mark[1:]}. {address}")
        tell_of(lost, self.settings, self.repository.path)

    def _latest(self, harness: str) -> str:
        """The class of the latest measurement that was made with this runner and this budget."""
        attempts = (a for pull in self.forge.pulls(State.OPEN) for a in pull.attempts)
        newest = sorted(attempts, key=lambda one: one.created_at, reverse=True)
        kept = (result for attempt in newest for result in attempt.results.values())
        for measurement in filter(None, map(_read, kept)):
            if measurement.digests.harness == harness and self._same_budget(measurement):
                return class_of(measurement)
        known = latest_class(read_ledger(self.repository.path, self.settings.repository.base))
        return known if known.endswith(f"-{harness[:12]}") else ""

    def _same_budget(self, measurement: Measurement) -> bool:
        budget, made = self.settings.budget, measurement.runner_class
        return made.budget_s == (budget.gpu_s if made.profile == "gpu" else budget.cpu_s)


def _number(attempt: str) -> int:
    """The experiment that an attempt belongs to."""
    return int(attempt.partition(".")[0])


def _read(result: Mapping[str, Any]) -> Measurement | None:
    """A result; None for one of another version of the runner."""
    try:
        return Measurement.model_validate(result)
    except ValidationError:
        return None


class Dispatched:
    """Nothing of it is in this process: there is nothing to end (`bot.run.base.Job`)."""

    def finish(self) -> None:
        """It goes on elsewhere."""

    def stop(self) -> None:
        """It goes on elsewhere."""
