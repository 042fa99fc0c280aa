from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.batch import PlannedRun
from runner.interpreter import find_interpreter
from runner.result import Status
from runner.sandbox.runtime import runtime_mounts
from runner.session import Session
from runner.settings import CandidateTable

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_train_py_that_ships_is_measured_with_its_own_interpreter(session: Session) -> None:
    interpreter = find_interpreter(ROOT, CandidateTable())
    confinement = replace(
        session.confinement,
        interpreter=interpreter,
        runtime=runtime_mounts(interpreter.path),
        limits=session.settings.sandbox.model_copy(update={"memory_gb": 4}),
    )
    # Generous: importing torch alone takes seconds on a busy machine.
    budget = session.settings.budget.model_copy(update={"grace_s": 30, "predict_s": 60})
    patient = replace(
        session,
        confinement=confinement,
        settings=session.settings.model_copy(update={"budget": budget}),
    )
    files = {"train.py": (ROOT / "train.py").read_bytes()}
    with patient.batch(lambda event: None) as batch:
        (result,) = batch.run([PlannedRun("shipped", files, seed=0, smoke=True)])
    assert result.status is Status.OK, result
    assert result.metric is not None
    assert result.metric < 32.5  # better than chance among 64 pairs
    assert result.curve
    assert result.smoke_s > 0
