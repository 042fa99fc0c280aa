"""What a simplification is measured against beside the present baseline.

Many small losses, each within the margin of the baseline of its day, must not add up. So the
margin is also counted from a code that stays the same while simplifications come and go: the
last audited baseline, or before any audit the first baseline of the runner class; and from the
last improvement after it, so that what was gained cannot be nibbled away before the next audit.
A merge by hand starts anew: what a person decided is the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bot.audits.state import AuditReader
from bot.history.past import Past
from bot.model import Reason, Run


@dataclass(frozen=True)
class References:
    """Finds the runs of the reference codes that no selection flatters."""

    past: Past
    audits: AuditReader

    def audited(self, present: str) -> tuple[Run, ...]:
        """Runs of the last audited baseline; empty when the present one is just that."""
        _, subject, session = self._anchor
        runs = self._runs(subject, session, present)
        if subject != present and not runs:  # not measured in this runner class
            return self._runs(self.past.first_baseline(), None, present)
        return runs

    def improved(self, present: str) -> tuple[Run, ...]:
        """Runs of the last improvement merged after that; empty when there is none."""
        position, _, _ = self._anchor
        later = [e for e in self.audits.entries[position + 1 :] if e.reason is Reason.IMPROVEMENT]
        if not later:
            return ()
        return self._runs(self.audits.subject(later[-1].commit), None, present)

    @cached_property
    def _anchor(self) -> tuple[int, str, int | None]:
        """Position in the ledger, code and audit session of what the margin is counted from."""
        replicated = {
            audit.number: audit.session for audit in self.audits.audits if audit.replicated
        }
        for position in reversed(range(len(self.audits.entries))):
            entry = self.audits.entries[position]
            if entry.number in replicated or entry.reason is Reason.UNMEASURED:
                session = replicated.get(entry.number)
                return position, self.audits.subject(entry.commit), session
        return -1, self.past.first_baseline(), None

    def _runs(self, subject: str, session: int | None, present: str) -> tuple[Run, ...]:
        if subject == present or not subject:
            return ()
        audit = self.audits.runs(session, subject) if session is not None else ()
        return (*self.past.honest(subject), *audit)
