from __future__ import annotations

from bot.model import Purpose, Run
from bot.verdict.drift import drift


def runs(*batches: tuple[float, ...]) -> list[Run]:
    values = [(f"{n}.1", value) for n, batch in enumerate(batches) for value in batch]
    return [
        Run("base", seed, "ok", value, Purpose.TEST, "class", attempt)
        for seed, (attempt, value) in enumerate(values)
    ]


def test_a_machine_that_became_slower_is_noticed() -> None:
    told = drift(runs((11.5, 11.6, 11.4), (11.5, 11.55), (14.0, 14.1)))
    assert told is not None
    assert "14.05" in told
    assert "11.51" in told


def test_ordinary_spread_is_no_drift() -> None:
    assert drift(runs((11.5, 11.9, 11.2), (11.4, 11.7), (11.8, 11.3))) is None


def test_nothing_is_said_of_too_few_runs() -> None:
    assert drift([]) is None
    assert drift(runs((11.5, 11.6))) is None
    assert drift(runs((11.5, 11.6), (20.0,))) is None


def test_a_metric_without_noise_drifts_when_it_changes_at_all() -> None:
    assert drift(runs((5.0, 5.0, 5.0), (5.0,))) is None
    assert drift(runs((5.0, 5.0, 5.0), (5.1,))) is not None
