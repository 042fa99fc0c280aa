"""`[verdict]` of bot.toml: what counts as evidence. Effects, margins and noise are in the
metric's own units or, as relative numbers, shares of the baseline's mean.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Level = Annotated[float, Field(gt=0, lt=0.5)]


class VerdictRule(BaseModel):
    """When a candidate is better, and how many runs may be spent on finding out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: Level = 0.006
    """Probability, per experiment, of merging a candidate that is not better."""
    power: Annotated[float, Field(ge=0.5, lt=1)] = 0.8
    """Probability of merging a candidate whose effect `max_seeds` runs per side can show."""
    min_effect: Annotated[float, Field(ge=0)] = 0.001
    """The smallest improvement worth merging; relative unless `min_effect_is_absolute`."""
    min_effect_is_absolute: bool = False
    """Whether `min_effect` is in the metric's own units instead of a share of the baseline's
    mean."""
    max_seeds: Annotated[int, Field(ge=3, le=1000)] = 8
    """The most runs of each side that one experiment may ask for, confirmation included."""
    interval: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Level of the two-sided intervals that are shown, for example 0.95."""
    confirm_alpha: Level = 0.3
    """Probability that a candidate which is not better holds up in its confirmation runs."""
    confirm_seeds: Annotated[int, Field(ge=2, le=100)] = 3
    """Confirmation runs of each side; a candidate with overwhelming evidence gets two."""
    baseline_seeds: Annotated[int, Field(ge=1, le=100)] = 2
    """Runs that a new baseline gets before the first candidate is compared with it."""
    baseline_every: Annotated[int, Field(ge=1)] = 15
    """A baseline is run again after so many experiments without it, to notice drift."""
    baseline_window: Annotated[int, Field(ge=2)] = 10
    """How many of the latest runs of the baseline count; older ones may have drifted."""
    noise_prior: Annotated[float, Field(gt=0, le=1)] = 0.03
    """Standard deviation of a run, relative to the metric, until runs have been repeated."""
    noise_prior_runs: Annotated[float, Field(gt=0, le=1e9)] = 3.0
    """Degrees of freedom up to which the prior fills up what repeated runs have shown."""
    likeness: Annotated[float, Field(gt=0, le=1e9)] = 2.0
    """How alike the spreads of different code are, in degrees of freedom (docs/verdict.md)."""

    @model_validator(mode="after")
    def _confirmation_fits(self) -> VerdictRule:
        if self.confirm_seeds >= self.max_seeds:
            raise ValueError(
                f"confirm_seeds ({self.confirm_seeds}) must be less than "
                f"max_seeds ({self.max_seeds}), which includes the confirmation"
            )
        if self.confirm_alpha <= self.alpha:
            raise ValueError(
                f"confirm_alpha ({self.confirm_alpha}) must be greater than alpha ({self.alpha})"
            )
        return self

    @property
    def test_alpha(self) -> float:
        """Level of the sequential test: both it and the confirmation must be passed."""
        return min(0.45, self.alpha / self.confirm_alpha)

    @property
    def test_seeds(self) -> int:
        """The most runs of each side before the confirmation."""
        return self.max_seeds - self.confirm_seeds
