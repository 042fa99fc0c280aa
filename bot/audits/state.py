"""The part of a snapshot that is about audits: read from the ledger and the forge's audits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.audits.ledger import AuditEntry
from bot.audits.plan import AuditRule, AuditState, OpenAudit
from bot.forge.base import Audit, Forge
from bot.history.ledger import LedgerEntry
from bot.history.reduce import run_of
from bot.model import Purpose, Reason, Run
from runner.result import Measurement

Subject = Callable[[str], str]
"""The digest of the allowed files in a commit or tree."""

_WINNERS = {Reason.IMPROVEMENT, Reason.SIMPLER}


@dataclass(frozen=True)
class AuditReader:
    """Everything that the ledger and the forge say of audits, for one runner class."""

    forge: Forge
    entries: Sequence[LedgerEntry]
    audits: Sequence[AuditEntry]
    runner_class: str
    subject: Subject
    measurable: Callable[[LedgerEntry], bool]  # whether what bot.toml allows was there then

    def state(self, rule: AuditRule, reverting: Collection[tuple[int, int]]) -> AuditState:
        """What `decide` needs; `reverting` are the (winner, session) of open reverts."""
        winners = self._winners()
        return AuditState(
            rule=rule,
            winners=winners,
            audited=frozenset(audit.number for audit in self.audits),
            sessions=max(
                (*self.forge.audits.numbers(), *(audit.session for audit in self.audits)), default=0
            ),
            merges_since=self._merges_since(winners),
            open=tuple(part for audit in self._unfinished() for part in self._parts(audit)),
            refuted=self._refuted(reverting),
        )

    def runs(self, session: int, subject: str) -> tuple[Run, ...]:
        """The finished runs of one code in a session, in the runner class of now."""
        if session not in self.forge.audits.numbers():
            return ()  # it was made in another clone
        (audit,) = self.forge.audits.read([session])
        return runs_of_audit(audit, self.runner_class).get(subject, ())

    def _winners(self) -> tuple[int, ...]:
        """Merged by a verdict on a machine like this one, and not taken back since.

        Whether a gain is there may differ between machines; the runner's own version, which is
        the last part of the class, does not matter for that, if it can still be measured.
        """
        machine = f'"{self.runner_class.rpartition("-")[0]}-'
        gone = self._taken_back()
        return tuple(
            entry.number
            for entry in self.entries
            if entry.reason in _WINNERS
            and entry.number not in gone
            and machine in entry.evidence
            and (self.runner_class in entry.evidence or self.measurable(entry))
        )

    def _taken_back(self) -> frozenset[int]:
        merged = (entry for entry in self.entries if entry.reason is Reason.DID_NOT_REPLICATE)
        return frozenset(entry.reverts[0] for entry in merged if entry.reverts)

    def _merges_since(self, winners: Collection[int]) -> int:
        latest = max((audit.after for audit in self.audits), default=0)
        merged = frozenset(winners)
        return sum(entry.number in merged for entry in self.entries[latest:])

    def _unfinished(self) -> tuple[Audit, ...]:
        told: dict[int, int] = {}
        for audit in self.audits:
            told[audit.session] = told.get(audit.session, audit.parts) - 1
        left = [number for number in self.forge.audits.numbers() if told.get(number, 1) > 0]
        read = self.forge.audits.read(left) if left else ()
        return tuple(audit for audit in read if audit.runner_class == self.runner_class)

    def _parts(self, audit: Audit) -> tuple[OpenAudit, ...]:
        done = {entry.number for entry in self.audits if entry.session == audit.number}
        runs = runs_of_audit(audit, self.runner_class)
        planned = [self.subject(run.tree) for run in audit.runs]
        parts = []
        for pair in audit.winners:
            winner, parent = self.subject(pair.winner), self.subject(pair.parent)
            if pair.number not in done:
                parts.append(
                    OpenAudit(
                        session=audit.number,
                        number=pair.number,
                        runs=min(planned.count(winner), planned.count(parent)),
                        complete=audit.complete,
                        winner=runs.get(winner, ()),
                        parent=runs.get(parent, ()),
                        results=frozenset(audit.results),
                    )
                )
        return tuple(parts)

    def _refuted(self, reverting: Collection[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        latest = {audit.number: audit for audit in self.audits}
        tried = {entry.reverts for entry in self.entries if entry.reverts} | set(reverting)
        gone = self._taken_back()
        return tuple(
            (audit.number, audit.session)
            for audit in latest.values()
            if not audit.replicated
            and (audit.number, audit.session) not in tried
            and audit.number not in gone
        )


def runs_of_audit(audit: Audit, runner_class: str) -> Mapping[str, tuple[Run, ...]]:
    """The finished runs of an audit by the code that they measured, without sealed scores."""
    found: dict[str, tuple[Run, ...]] = {}
    for measurement in _measurements(audit):
        run = run_of(measurement, Purpose.AUDIT, f"audit-{audit.number}")
        if run.runner_class == runner_class:
            found[run.subject] = (*found.get(run.subject, ()), run)
    return found


def sealed_of_audit(audit: Audit) -> Mapping[str, tuple[Run, ...]]:
    """The same with the scores of the sealed split as values: for `bot.audits.report` alone."""
    found: dict[str, tuple[Run, ...]] = {}
    for measurement in _measurements(audit):
        run = run_of(measurement, Purpose.AUDIT, f"audit-{audit.number}")
        if measurement.sealed is not None and run.runner_class == audit.runner_class:
            scored = replace(run, value=measurement.sealed.metric, secondary=())
            found[run.subject] = (*found.get(run.subject, ()), scored)
    return found


def _measurements(audit: Audit) -> Iterator[Measurement]:
    return (Measurement.model_validate(result) for _, result in sorted(audit.results.items()))
