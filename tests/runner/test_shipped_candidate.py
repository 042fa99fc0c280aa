from __future__ import annotations

from pathlib import Path

import pytest

from runner.batch import PlannedRun
from runner.request import Conditions
from runner.result import Status
from runner.session import open_session
from runner.settings import RunnerSettings
from tests.runner.conftest import SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_train_py_that_ships_is_measured_with_its_own_interpreter(
    measuring_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERGELAB_CACHE", str(measuring_cache))
    python = str(ROOT / ".venv-candidate/bin/python")
    tables = SETTINGS | {
        "candidate": {"python": python},
        "sandbox": {**SETTINGS["sandbox"], "backend": "bubblewrap", "memory_gb": 4},
        # Generous: importing torch alone takes seconds, ten of them on a busy machine.
        "budget": {**SETTINGS["budget"], "cpu_s": 60, "grace_s": 30, "predict_s": 60},
    }
    settings = RunnerSettings.model_validate(tables)
    session = open_session(Conditions(), settings, lambda event: None, unconfined=False)
    files = {"train.py": (ROOT / "train.py").read_bytes()}
    with session.batch(lambda event: None) as batch:
        (result,) = batch.run([PlannedRun("shipped", files, seed=0, smoke=True)])
    assert result.status is Status.OK, result
    assert result.metric is not None
    assert result.metric < 32.5  # better than chance among 64 pairs
    assert result.curve
    assert result.smoke_s > 0
