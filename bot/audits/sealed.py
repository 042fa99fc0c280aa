"""Sealed numbers taken out of what people wrote, on its way to a proposer.

The bot writes them nowhere where a proposer reads. But people see them (`bot audit --report`),
and may quote one in a comment, in the scratchpad or in program.md; a proposer that heard it would
begin to fit the sealed split. What cannot be covered is a number inside of a file that
experiments change: that is the code itself.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from bot.audits.ledger import AuditEntry
from bot.audits.report import rows_of
from bot.forge.base import Audit
from bot.history.ledger import LedgerEntry
from bot.proposing.place import Place
from bot.text.figures import rounded
from bot.text.hygiene import REDACTED
from runner.result import Measurement

_START = re.compile(r"(?<![A-Za-z\d])(?<!\d\.)[-+\N{MINUS SIGN}]?(?=\.?\d)")
"""Where a number may begin: not within a name, nor within a version such as 1.4.2."""
_READINGS = tuple(
    re.compile(rf"{reading}(?:[eE](?P<exponent>[-+]?\d{{1,3}}))?")
    for reading in (
        r"(?P<whole>\d{1,3}(?:[,'\u2019_ \u00a0\u2009\u202f]\d{3}){1,6})(?!\d)"
        r"(?:\.(?P<part>\d{1,400}))?",
        r"(?P<whole>\d{1,3}(?:\.\d{3}){1,6}),(?P<part>\d{1,400})",
        r"(?P<whole>\d{1,400}),(?P<part>\d{1,400})",
        r"(?P<whole>\d{0,400})(?:\.(?P<part>\d{1,400}))?",
    )
)
"""What a number may be read as: `1,234.5`, `1.234,5`, `0,5` (or the first of a list), `0.5`."""
_LEAST_DIGITS = 4
"""Of a score with so many significant digits it can hardly be chance that it is a sealed one."""
_LEAST_SHOWN = 3
"""The same of a gain just as the report shows it."""
_FLOAT = Decimal("1e-15")  # more digits than that, relatively, are noise of a float


class Sealed:
    """Scores on the sealed split, and texts without them."""

    def __init__(self, scores: Iterable[float], gains: Iterable[float]) -> None:
        known = [gain for gain in gains if math.isfinite(gain)]
        self._shown = {
            Decimal(rounded(abs(gain), digits)) for gain in known for digits in (3, _LEAST_DIGITS)
        }
        known += [score for score in scores if math.isfinite(score)]
        exact = [Decimal(repr(abs(float(one)))) for one in known]
        self._known = sorted({one * factor for one in exact for factor in (1, 100)})

    def redact(self, text: str) -> str:
        """`text` without any number that is one of them, as it is or as a per cent, rounded or
        cut off anywhere."""
        if not self._known:
            return text
        parts, end = [], 0
        for start in _START.finditer(text):
            if start.start() >= end and (found := self._end_of_one(text, start.end())):
                parts += [text[end : start.start()], REDACTED]
                end = found
        return "".join([*parts, text[end:]])

    def _end_of_one(self, text: str, start: int) -> int:
        """Where a number that begins there ends, in a reading in which it is one of them, or 0."""
        readings = (reading.match(text, start) for reading in _READINGS)
        return max((one.end() for one in readings if one and self._is_one(one)), default=0)

    def _is_one(self, read: re.Match[str]) -> bool:
        whole, part = re.sub(r"\D", "", read["whole"]), read["part"] or ""
        exponent = int(read["exponent"] or 0)
        digits = len((whole + part).lstrip("0"))
        if digits < _LEAST_SHOWN:
            return False
        value = Decimal(f"{whole or 0}.{part or 0}e{exponent}")
        if value in self._shown:
            return True
        # Rounded in any direction it differs by less than one in its last place.
        unit = Decimal(1).scaleb(exponent - len(part))
        after = bisect.bisect_left(self._known, value)
        nearest = self._known[max(0, after - 1) : after + 1]
        return digits >= _LEAST_DIGITS and any(
            abs(value - one) < max(unit, one * _FLOAT) for one in nearest
        )


def sealed(place: Place, entries: Sequence[LedgerEntry], audited: Sequence[AuditEntry]) -> Sealed:
    """Everything that audits scored on the sealed split, and the gains that people are shown.

    `entries` and `audited` are what the ledger says.
    """
    audits = place.forge.audits.read()
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
