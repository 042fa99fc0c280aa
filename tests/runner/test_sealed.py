"""The sealed split beside the validation split, from one training: for audits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.batch import PlannedRun
from runner.errors import InvalidOutput, RequestError
from runner.events import Event, StageEvent
from runner.failure import Failure
from runner.kinds.base import Evidence, Judge, Launch, Numbers, Staged
from runner.measure import judged
from runner.request import BatchRequest, parse_request
from runner.result import Measurement, Stage, Status
from runner.session import Session
from runner.trial import Trial
from tests.runner.candidates import CRASHES_LATE, HONEST, candidate

UNKNOWING = candidate(
    train="assert 'sealed' not in told(), told()",
    predict="assert not {'sealed', 'validation'} & set(told()), told()",
).replace(
    "def train():",
    "def told():\n"
    "    import re\n"
    "    mounts = pathlib.Path('/proc/self/mountinfo').read_text()\n"
    "    return re.findall(r'[a-z]+', mounts + str(dict(os.environ)))\n"
    "def train():",
)


def audit(session: Session, source: str, seed: int = 3) -> tuple[Measurement, list[Event]]:
    events: list[Event] = []
    run = PlannedRun(id="run", files={"train.py": source.encode()}, seed=seed, smoke=False)
    with replace(session, sealed=True).batch(events.append) as batch:
        (result,) = batch.run([run])
    return result, events


def test_one_training_is_scored_on_both_splits(session: Session) -> None:
    result, events = audit(session, HONEST)
    assert result.status is Status.OK, result
    assert result.split == "validation"
    assert result.metric is not None
    assert result.sealed
    assert set(result.sealed.secondary) == set(result.secondary)
    stages = [event.stage for event in events if isinstance(event, StageEvent)]
    assert stages == [Stage.TRAIN, *[Stage.PREDICT] * 4]


def test_the_sealed_split_is_another_one(session: Session) -> None:
    """Two ranks over so few pairs may be the same by chance, but not again and again."""
    results = [audit(session, HONEST, seed)[0] for seed in range(4)]
    assert any(one.sealed and one.sealed.metric != one.metric for one in results)


def test_neither_phase_is_told_which_split_it_serves(session: Session) -> None:
    result, _ = audit(session, UNKNOWING)
    assert result.status is Status.OK, result
    assert result.sealed


def test_a_run_that_failed_has_no_sealed_score(session: Session) -> None:
    result, events = audit(session, CRASHES_LATE)
    assert result.status is Status.CRASHED
    assert result.sealed is None
    assert len([event for event in events if isinstance(event, StageEvent)]) == 1


def test_without_being_asked_nothing_sealed_is_predicted(session: Session) -> None:
    run = PlannedRun(id="run", files={"train.py": HONEST.encode()}, seed=3, smoke=False)
    with session.batch(lambda event: None) as batch:
        (result,) = batch.run([run])
        assert batch.sealed is None
    assert result.sealed is None


def good(evidence: Evidence) -> Numbers:
    return Numbers(2.0, {})


def bad(evidence: Evidence) -> Numbers:
    raise InvalidOutput("of the wrong shape")


@pytest.mark.parametrize(
    ("second", "judge"),
    [
        (Trial(), bad),
        (Trial(failure=Failure(Status.CRASHED, "it crashed")), good),
    ],
)
def test_a_failure_on_the_sealed_split_alone_costs_its_score_and_nothing_else(
    second: Trial, judge: Judge
) -> None:
    trial = Trial(sealed=second)
    validation, sealed = (Staged(Launch(()), {}, each) for each in (good, judge))
    scored = judged(trial, validation, sealed)
    assert scored.numbers == Numbers(2.0, {})
    assert scored.sealed is None
    assert trial.failure is None


def test_the_sealed_split_is_asked_for_beside_validation_only() -> None:
    text = b'{"split": "sealed", "sealed": true, "runs": [{"id": "a", "files": "x", "seed": 1}]}'
    with pytest.raises(RequestError, match="sealed adds to the split validation"):
        parse_request(BatchRequest, text, "the batch")
