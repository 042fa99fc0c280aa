"""Whole measurements in containers: the default task, and a project with a scorer of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.batch import PlannedRun
from runner.request import Conditions
from runner.result import Measurement, Status
from runner.session import Session, open_session
from runner.settings import RunnerSettings
from tests.runner.candidates import CRASHES, EATS_MEMORY, HONEST
from tests.runner.conftest import SETTINGS
from tests.runner.kinds.test_predictions import FILES, GIVEN, SEALED


@pytest.fixture
def docker_session(
    image: str, interpreter: Path, measuring_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Session:
    monkeypatch.setenv("MERGELAB_CACHE", str(measuring_cache))
    chosen = {
        **SETTINGS,
        "candidate": {"python": str(interpreter)},
        "sandbox": {**SETTINGS["sandbox"], "backend": "docker", "image": image},
    }
    settings = RunnerSettings.model_validate(chosen)
    return open_session(Conditions(), settings, lambda event: None, unconfined=False)


def test_honest_and_hostile_candidates_get_their_due(docker_session: Session) -> None:
    sources = {"honest": HONEST, "crashes": CRASHES, "greedy": EATS_MEMORY, "again": HONEST}
    planned = [
        PlannedRun(id=name, files={"train.py": source.encode()}, seed=1, smoke=False)
        for name, source in sources.items()
    ]
    with docker_session.batch(lambda event: None) as batch:
        found: list[Measurement] = list(batch.run(planned))
    assert [one.status for one in found] == [
        Status.OK, Status.CRASHED, Status.OUT_OF_MEMORY, Status.OK,
    ]  # fmt: skip
    assert found[0].metric == found[3].metric
    assert found[0].runner_class.sandbox.startswith("docker ")
    assert "image sha256:" in found[0].runner_class.sandbox


def test_a_scorer_of_the_project_judges_in_a_container_of_its_own(
    image: str, interpreter: Path, tmp_path: Path
) -> None:
    for name, text in {
        "data/train.csv": "1,2\n2,4\n3,6\n",
        "hidden/test.csv": "4\n5\n",
        "private/answers.csv": "8\n10\n",
        "other/test.csv": "10\n",
        "secret.csv": "30\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    looks = """
import os
for place in ("/targets", "/scorer", "/predictions", "/inputs"):
    if os.path.exists(place):
        raise KeyError(place)
for folder, _, names in os.walk("/", onerror=lambda error: None):
    if "answers.csv" in names or (os.environ["PHASE"] == "train" and "test.csv" in names):
        raise KeyError(folder)
"""
    chosen = {
        **GIVEN,
        "candidate": {**GIVEN["candidate"], "python": str(interpreter)},
        "task": {**GIVEN["task"], **SEALED},
        "sandbox": {**GIVEN["sandbox"], "backend": "docker", "image": image},
    }
    session = open_session(
        Conditions(repository=str(tmp_path), sealed=True),
        RunnerSettings.model_validate(chosen),
        lambda event: None,
        unconfined=False,
        cache=tmp_path / ".cache",
    )
    files = {**FILES, "train.py": looks + FILES["train.py"]}
    planned = PlannedRun("run", {path: text.encode() for path, text in files.items()}, 7, True)
    with session.batch(lambda event: None) as batch:
        (found,) = batch.run([planned])
    assert (found.status, found.metric) == (Status.OK, 4.5), found.message
    assert found.sealed is not None and found.sealed.metric == 20.0
    assert found.runner_class.sandbox.startswith("docker ")
