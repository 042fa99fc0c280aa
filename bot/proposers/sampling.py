"""Optuna's TPE over a few constants, with a study that lives for one call only."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bot.proposers.constants import Constant
from bot.proposers.ranges import Choices, Value

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

STARTUP_TRIALS = 2
"""TPE draws at random until it has this many trials: today's value and one experiment."""


def suggestions(
    chosen: Sequence[Constant],
    trials: Sequence[tuple[Mapping[str, Value], float]],
    seed: int,
    draws: int,
) -> Iterator[dict[str, Value]]:
    """Up to `draws` values for the chosen constants, most expected first, tidied for reading.

    `trials` are (values, loss): the difference to the trial's own baseline, lower is better,
    infinite for one that broke. The values of today count as a trial with loss 0.
    """
    import optuna

    # Its log lines and its warnings about features are for people who write studies.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=len(chosen) > 1
        )
        study = optuna.create_study(sampler=sampler)
        distributions = {constant.name: distribution(constant) for constant in chosen}
        today = ({constant.name: constant.value for constant in chosen}, 0.0)
        for values, loss in [today, *trials]:
            _add(study, distributions, values, loss)
        for _ in range(draws):
            trial = study.ask(distributions)
            yield {constant.name: _tidy(constant, trial.params) for constant in chosen}
            study.tell(trial, state=optuna.trial.TrialState.FAIL)


def distribution(constant: Constant) -> BaseDistribution:
    """A domain in Optuna's terms."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    domain = constant.domain
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _add(
    study: optuna.Study,
    distributions: Mapping[str, BaseDistribution],
    values: Mapping[str, Value],
    loss: float,
) -> None:
    """Add a finished trial, unless a value lies outside today's ranges."""
    import optuna

    try:
        inside = all(
            distribution._contains(distribution.to_internal_repr(values[name]))
            for name, distribution in distributions.items()
        )
    except ValueError:
        inside = False
    if inside and not math.isnan(loss):
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(values), distributions=dict(distributions), value=loss
            )
        )


def _tidy(constant: Constant, parameters: Mapping[str, Value]) -> Value:
    value = parameters[constant.name]
    domain = constant.domain
    if isinstance(domain, Choices) or isinstance(value, str):
        return value
    return domain.tidy(value)
