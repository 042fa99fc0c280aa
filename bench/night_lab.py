"""A repository in which the bot has worked, as the benchmark of a night needs it."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from bot.app import open_place
from bot.audits import ledger as auditlog
from bot.audits import report as auditreport
from bot.audits.ledger import AuditEntry
from bot.history.ledger import LedgerEntry
from bot.history.past import latest_class
from bot.history.reduce import class_of
from bot.model import Outcome, Reason
from bot.proposing.place import Place
from runner.candidate import read_tree
from runner.errors import RequestError
from runner.result import Measurement, RunnerClass


@dataclass(frozen=True)
class Lab:
    """Ledger, audits and files of a lab with at least one finished experiment."""

    place: Place
    entries: tuple[LedgerEntry, ...]
    audits: tuple[AuditEntry, ...]

    @classmethod
    def open(cls, folder: Path) -> Lab:
        """The lab in a clone. Raises BotError; RequestError if there is nothing to compare."""
        place = open_place(folder)
        if place.settings.self_reported:
            raise RequestError(
                f"{folder}: its scripts report their own metric. A night is compared on the sealed "
                "split, which only the default task has."
            )
        entries, audits = auditlog.read(place.repository.path, place.settings.repository.base)
        if not any(entry.runs() for entry in entries):
            raise RequestError(
                f"{folder}: no experiment has been measured there yet. Run "
                "`python -m bot run --max-experiments 42` in it first."
            )
        return cls(place, entries, audits)

    @property
    def entry(self) -> str:
        """The file with the constants."""
        return self.place.settings.candidate.entry

    @cached_property
    def baseline(self) -> Mapping[str, bytes]:
        """The allowed files before the first verdict."""
        return self._files(f"{self.entries[0].commit}^1")

    @cached_property
    def final(self) -> Mapping[str, bytes]:
        """The allowed files after the last one."""
        return self._files(self.entries[-1].commit)

    @property
    def verdict_runs(self) -> int:
        """Training runs that its verdicts took, those of the baseline among them."""
        return sum(len(entry.runs()) for entry in self.entries)

    @cached_property
    def audit_runs(self) -> tuple[int, int]:
        """Training runs of audits: before the last verdict, and after it.

        Those before may have taken a winner back, and so count as runs that led to `final`;
        those after it have changed nothing.
        """
        here = set(self.place.forge.audits.numbers())
        before = {audit.session for audit in self.audits if audit.after < len(self.entries)}
        counted = {each.number: len(each.results) for each in self.place.forge.audits.read(here)}
        for audit in self.audits:
            if audit.session not in here:  # made in another clone: at most so many
                counted[audit.session] = counted.get(audit.session, 0) + 2 * audit.runs
        early = sum(runs for session, runs in counted.items() if session in before)
        return early, sum(counted.values()) - early

    @property
    def runs(self) -> int:
        """Training runs that led to its last baseline: of verdicts, and of audits before them."""
        return self.verdict_runs + self.audit_runs[0]

    @property
    def runner_class(self) -> str:
        """Runner class and harness of its latest runs."""
        return latest_class(self.entries)

    @cached_property
    def facts(self) -> RunnerClass | None:
        """Where its latest runs were made; None if no pull request of this clone tells."""
        for pull in reversed(self.place.forge.pulls()):
            for attempt in reversed(pull.attempts):
                for result in attempt.results.values():
                    with contextlib.suppress(ValidationError):  # of another version
                        measured = Measurement.model_validate(result)
                        if class_of(measured) == self.runner_class:
                            return measured.runner_class
        return None

    @property
    def days(self) -> str:
        """From the first verdict to the last, in UTC."""
        times = [entry.committed_at for entry in self.entries]
        ends = [time.strftime("%Y-%m-%d", time.gmtime(t)) for t in (min(times), max(times))]
        return " to ".join(dict.fromkeys(ends))

    @property
    def winners(self) -> frozenset[int]:
        """Winners of a verdict, those that an audit took back again among them."""
        kept = (Reason.IMPROVEMENT, Reason.SIMPLER)
        return frozenset(entry.number for entry in self.entries if entry.reason in kept)

    @property
    def taken_back(self) -> int:
        """Winners that did not replicate."""
        return sum(entry.reason is Reason.DID_NOT_REPLICATE for entry in self.entries)

    @property
    def closed(self) -> int:
        """Experiments that were not merged."""
        return sum(entry.outcome is Outcome.CLOSED for entry in self.entries)

    @property
    def reasons(self) -> Counter[str]:
        """How often experiments ended for each reason."""
        return Counter(str(entry.reason) for entry in self.entries)

    @cached_property
    def wall_s(self) -> float:
        """From the first pull request to the last verdict."""
        first = min(pull.created_at for pull in self.place.forge.pulls())
        return max(entry.committed_at for entry in self.entries) - first

    @property
    def measuring_s(self) -> float:
        """Of it, in sandboxes: smoke runs, training, prediction and scoring, audits too."""
        last = max(entry.committed_at for entry in self.entries)
        audited = sum(one.duration_s for one in self.audits if one.committed_at <= last)
        return sum(entry.duration_s for entry in self.entries) + audited

    @cached_property
    def audited(self) -> tuple[auditreport.Row, ...]:
        """The latest audit of every audited winner, with what the sealed split says."""
        return auditreport.rows(self.place)

    def _files(self, commit: str) -> dict[str, bytes]:
        table = self.place.settings.candidate
        return read_tree(self.place.repository.path, self._commit(commit), table)

    def _commit(self, name: str) -> str:
        found = self.place.repository.resolve(name)
        if found is None:
            raise RequestError(f"{self.place.repository.path}: has no commit {name}.")
        return found
