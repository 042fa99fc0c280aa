"""Carries out what an audit needs next, as `bot.execute` does it for an experiment.

Killed at any instant, it leaves only what the next snapshot finds: a session is written down
before its first run, every result as soon as it is there, and a winner's commit in the ledger
is one move of the base branch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.audits import ledger as auditlog
from bot.audits.ledger import AuditEntry, Gain
from bot.audits.plan import BeginAudit, ConcludeAudit, ContinueAudit, Revert
from bot.audits.state import runs_of_audit
from bot.candidate import allowed_files, measured_digest
from bot.errors import BotError, RunnerChanged
from bot.forge.base import Audit, AuditedWinner, Conflict, Forge, NewPull, PlannedRun, PullRequest
from bot.git import Identity, Repository
from bot.history.ledger import LedgerEntry
from bot.history.reduce import class_of, foreign
from bot.model import Direction, Purpose, Side
from bot.proposing.place import BOT, PHASE
from bot.run.base import Order
from bot.settings import Settings
from bot.snapshot import View
from bot.views import texts
from runner.result import Measurement

PROPOSER = "audit"
_ATTEMPT = "audit-"  # what an order of an audit is called, with its number
_BRANCHES = 100  # that may be called after one winner


@dataclass(frozen=True)
class Auditor:
    """What carrying out needs. `now` gives seconds since 1970, `seed` a fresh random seed."""

    repository: Repository
    forge: Forge
    settings: Settings
    now: Callable[[], int]
    seed: Callable[[], int] = lambda: secrets.randbelow(2**31)

    def begin(self, action: BeginAudit, view: View) -> Order:
        """Write down a session over these winners, before anything of it is run."""
        entries = {entry.number: entry for entry in view.entries}
        winners = tuple(self._pair(entries[number]) for number in action.numbers)
        audit = Audit(
            number=view.snapshot.audits.sessions + 1,
            runner_class=view.runner_class,
            winners=winners,
            runs=self._plan(winners),
            results={},
        )
        self.forge.audits.begin(audit)
        return _order(audit)

    def go_on(self, action: ContinueAudit) -> Order:
        """The missing runs of a session."""
        (audit,) = self.forge.audits.read([action.session])
        return _order(audit)

    def keep(self, order: Order, index: int, result: Mapping[str, Any], runner_class: str) -> None:
        """Take the result of one run of a session.

        Raises:
            RunnerChanged: it was made in another class than `runner_class`, and was not kept.
            Conflict: there is a result already; another bot has measured the same.
            BotError: it is none of this session's, and was not kept.
        """
        planned = dict(order.runs)[index]
        measurement = Measurement.model_validate(result)
        if why := foreign(planned, measurement, self._subject(planned.tree)):
            raise BotError(
                f"Result {index + 1} of audit {session_of(order)} is refused: {why}. Nothing of "
                "it was recorded. Run the audit again; if it comes back, look at who else runs "
                "the runner here."
            )
        measured = class_of(measurement)
        if measured != runner_class:
            raise RunnerChanged(
                f"A run came back from runner class {measured}, expected {runner_class}: "
                "the machine, bot.toml or the runner's own files changed in the meantime. "
                "It counts for nothing; run the audit again."
            )
        self.forge.audits.record(session_of(order), index, result)

    def conclude(self, action: ConcludeAudit, view: View) -> AuditEntry:
        """Write down in the ledger what a session says of one winner."""
        entry = _entry(view, action.number)
        (audit,) = self.forge.audits.read([action.session])
        subject = self._subject(entry.commit)
        runs = runs_of_audit(audit, view.runner_class).get(subject, ())
        estimate, direction = action.result.estimate, Direction(self.settings.metric.direction)
        confirmed = None
        if estimate:
            confirmed = Gain.of(estimate.difference, estimate.low, estimate.high, direction)
        told = AuditEntry(
            number=entry.number,
            title=entry.title,
            session=audit.number,
            parts=len(audit.winners),
            replicated=action.result.replicated,
            claimed=_claimed(entry),
            confirmed=confirmed,
            runs=len(runs),
            subject=subject,
            duration_s=sum(run.duration_s for run in runs),
            explanation=action.result.explanation,
        )
        base = view.snapshot.base
        author = Identity(BOT.name, BOT.id)
        text, tree = auditlog.message(told), self.repository.tree(base)
        commit = self.repository.commit_tree(tree, [base], text, author, self.now())
        self.forge.advance(base=base, commit=commit)
        return told

    def revert(self, action: Revert, view: View) -> PullRequest:
        """Open a pull request that takes a winner back and leaves alone what came later.

        Its branch starts at the winner's own commit, so that merging it into the base branch
        is the three-way merge that `git revert` makes. A conflict shows when it is looked at.
        """
        entry = _entry(view, action.number)
        audit = next(
            item
            for item in reversed(view.audits)
            if (item.number, item.session) == (action.number, action.session)
        )
        title = f"Take back #{entry.number}: {entry.title}"
        body = texts.revert_body(self.settings.metric_shown, entry, audit)
        record = {
            "proposer": PROPOSER,
            "phase": PHASE,
            "cost": {"usd": 0.0},
            "hypothesis": {"title": title, "rationale": audit.explanation},
            "fork": entry.commit,
            "reverts": entry.number,
            "session": audit.session,
        }
        author = Identity(BOT.name, BOT.id)
        tree = self.repository.tree_with(entry.commit, self._without(entry))
        head = self.repository.commit_tree(tree, [entry.commit], title, author, self.now())
        for attempt in range(1, _BRANCHES):
            branch = f"exp/revert-{entry.number}" + (f"-{attempt}" if attempt > 1 else "")
            if self.repository.ref(f"refs/heads/{branch}") is not None:
                continue
            try:
                return self.forge.open(NewPull(branch, head, title, body, BOT, record))
            except Conflict:
                continue  # somebody took this name in the meantime
        raise BotError(
            f"{_BRANCHES} branches exp/revert-{entry.number}* exist already; delete some."
        )

    def _pair(self, entry: LedgerEntry) -> AuditedWinner:
        parent = self.repository.tree(f"{entry.commit}^1")
        return AuditedWinner(entry.number, self.repository.tree(entry.commit), parent)

    def _plan(self, winners: tuple[AuditedWinner, ...]) -> tuple[PlannedRun, ...]:
        """All codes in turn on one fresh seed, then on the next.

        The parent of a winner is often the winner before it: every code is run once a seed,
        however many comparisons it serves.
        """
        trees: dict[str, tuple[Side, str]] = {}
        for pair in winners:
            for side, tree in ((Side.BASELINE, pair.parent), (Side.CANDIDATE, pair.winner)):
                trees.setdefault(self._subject(tree), (side, tree))
        used: set[int] = set()
        planned = []
        for _ in range(self.settings.audit.runs):
            while (seed := self.seed()) in used:
                pass
            used.add(seed)
            planned += [PlannedRun(side, t, seed, Purpose.AUDIT) for side, t in trees.values()]
        return tuple(planned)

    def _subject(self, tree: str) -> str:
        return measured_digest(self.repository, tree, self.settings)

    def _without(self, entry: LedgerEntry) -> dict[str, bytes | None]:
        """The allowed files that a winner changed, as they were before it."""
        after = allowed_files(self.repository, entry.commit, self.settings)
        before = allowed_files(self.repository, f"{entry.commit}^1", self.settings)
        paths = self.settings.candidate.paths
        return {path: before.get(path) for path in paths if before.get(path) != after.get(path)}


def session_of(order: Order) -> int:
    """The number of the audit that an order is of."""
    return int(order.attempt.removeprefix(_ATTEMPT))


def _order(audit: Audit) -> Order:
    missing = [(i, run) for i, run in enumerate(audit.runs) if i not in audit.results]
    name = f"{_ATTEMPT}{audit.number}"
    return Order(name, None, tuple(missing), len(audit.runs), sealed=True)


def _entry(view: View, number: int) -> LedgerEntry:
    return next(entry for entry in view.entries if entry.number == number)


def _claimed(entry: LedgerEntry) -> Gain | None:
    if entry.difference is None or entry.interval is None:
        return None
    return Gain.of(entry.difference, *entry.interval, entry.direction)
