"""Sealed numbers taken out of what people wrote, on its way to a proposer.

The bot writes them nowhere where a proposer reads. But people see them (`bot audit --report`),
and may quote one in a comment, in the scratchpad or in program.md; a proposer that heard it would
begin to fit the sealed split. What cannot be covered is a number inside of a file that
experiments change: that is the code itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from bot.audits.ledger import AuditEntry
from bot.audits.report import rows_of
from bot.forge.base import Audit
from bot.history.ledger import LedgerEntry
from bot.proposing.place import Place
from bot.text.figures import rounded
from bot.text.hygiene import REDACTED
from runner.result import Measurement

_NUMBER = re.compile(
    r"(?<![\w.])[-+\N{MINUS SIGN}]?(\d{1,20}(?:[.,]\d{1,20})?(?:[eE][-+]?\d{1,3})?)"
)
_LEAST_DIGITS = 4
"""Of a score with so many significant digits it can hardly be chance that it is a sealed one."""
_LEAST_SHOWN = 3
"""The same of a gain just as the report shows it."""


class Sealed:
    """Scores on the sealed split, and texts without them."""

    def __init__(self, scores: Iterable[float], gains: Iterable[float]) -> None:
        self._gains = {abs(gain) for gain in gains}
        self._scores = {abs(score) for score in scores} | self._gains
        self._rounded: dict[int, set[str]] = {}

    def redact(self, text: str) -> str:
        """`text` without any number that is one of them, rounded in any way, or as a per cent."""
        return _NUMBER.sub(self._replace, text) if self._scores else text

    def _replace(self, match: re.Match[str]) -> str:
        word = match[1].replace(",", ".")
        mantissa, _, exponent = word.lower().partition("e")
        digits = len(mantissa.replace(".", "").lstrip("0"))
        if digits >= _LEAST_SHOWN and word in self._shown:
            return REDACTED
        if digits < _LEAST_DIGITS:
            return match[0]
        places = len(mantissa.partition(".")[2]) - int(exponent or 0)
        return REDACTED if f"{float(word):.{max(0, places)}f}" in self._to(places) else match[0]

    @cached_property
    def _shown(self) -> frozenset[str]:
        return frozenset(rounded(gain, digits) for gain in self._gains for digits in (3, 4))

    def _to(self, places: int) -> set[str]:
        """All of them, and all as a per cent, with so many decimal places."""
        if places not in self._rounded:
            values = (value for score in self._scores for value in (score, 100 * score))
            self._rounded[places] = {f"{round(one, places):.{max(0, places)}f}" for one in values}
        return self._rounded[places]


def sealed(place: Place, entries: Sequence[LedgerEntry], audited: Sequence[AuditEntry]) -> Sealed:
    """Everything that audits scored on the sealed split, and the gains that people are shown.

    `entries` and `audited` are what the ledger says.
    """
    audits = place.forge.audits()
    if not audits:
        return Sealed((), ())
    gains = [row.sealed for row in rows_of(place, entries, audited) if row.sealed is not None]
    shown = [value for gain in gains for value in (gain.value, gain.low, gain.high)]
    scores = (score for audit in audits for score in _scores(audit))
    return Sealed(scores, [*shown, sum(gain.value for gain in gains)])


def _scores(audit: Audit) -> Iterator[float]:
    for result in audit.results.values():
        found = Measurement.model_validate(result).sealed
        if found is not None:
            yield found.metric
            yield from found.secondary.values()
