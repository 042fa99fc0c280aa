"""How many of all merges must be expected to be false by now. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.model import Reason


@dataclass(frozen=True)
class Multiplicity:
    """How many experiments the sequential test judged, each with its own `alpha`.

    alpha is per experiment and is not corrected for their number, so that this is shown
    wherever a verdict is.
    """

    tested: int
    alpha: float

    @classmethod
    def of(cls, reasons: Iterable[Reason], alpha: float) -> Multiplicity:
        """Count the verdicts that the test reached."""
        return cls(sum(reason.tested for reason in reasons), alpha)

    @property
    def expected(self) -> float:
        """The expected number of false merges if no candidate were truly better: a bound."""
        return self.alpha * self.tested

    @property
    def text(self) -> str:
        """One line for a person."""
        return (
            f"Expected false merges so far: at most {self.expected:.3g} "
            f"({self.tested} tested, alpha {self.alpha:g} each)."
        )
