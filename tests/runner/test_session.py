from __future__ import annotations

import ctypes
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.batch import PlannedRun
from runner.errors import RequestError, RunnerError
from runner.events import Event, NoticeEvent
from runner.gpu import Gpu
from runner.request import BatchRequest, Conditions, RunRequest
from runner.result import Status
from runner.sandbox.choose import choose
from runner.session import Session, data_size, open_session, plan, settings_for
from runner.settings import RunnerSettings
from tests.runner.candidates import HONEST
from tests.runner.conftest import SETTINGS
from tests.runner.test_gpumemory import Library

CARD = Gpu(index="0", name="NVIDIA Test", driver="570.86.10")


def opened(cache: Path, **tables: dict[str, Any]) -> Session:
    settings = RunnerSettings.model_validate(SETTINGS | tables)
    return open_session(Conditions(), settings, lambda event: None, unconfined=False, cache=cache)


def test_the_settings_of_a_request_go_before_those_of_any_file(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text("[budget]\ncpu_s = 7\n")
    (tmp_path / "other.toml").write_text("[budget]\ncpu_s = 8\n")
    told = RunnerSettings.model_validate({"budget": {"cpu_s": 9}})
    here = Conditions(repository=str(tmp_path))
    with_settings = Conditions(repository=str(tmp_path), settings=told)
    assert settings_for(here, None).budget.cpu_s == 7
    assert settings_for(here, tmp_path / "other.toml").budget.cpu_s == 8
    assert settings_for(with_settings, tmp_path / "other.toml").budget.cpu_s == 9


def test_the_budget_of_a_request_goes_before_that_of_the_settings(measuring_cache: Path) -> None:
    settings = RunnerSettings.model_validate(SETTINGS)
    conditions = Conditions(budget_s=3)
    session = open_session(
        conditions, settings, lambda event: None, unconfined=False, cache=measuring_cache
    )
    assert session.runner_class.budget_s == 3
    assert opened(measuring_cache).runner_class.budget_s == 10


def test_the_profile_gpu_without_one_is_refused(measuring_cache: Path) -> None:
    with pytest.raises(RunnerError, match="no CUDA device"):
        opened(measuring_cache, budget={"profile": "gpu"})


def test_a_gpu_brings_its_budget_its_data_and_its_class(
    measuring_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.session.find_gpu", lambda *_: CARD)
    session = opened(measuring_cache, budget={"cpu_s": 10, "gpu_s": 20})
    assert session.runner_class.budget_s == 20
    assert (session.runner_class.device, session.runner_class.profile) == (CARD.name, "gpu")
    auto = RunnerSettings.model_validate({"candidate": {"python": sys.executable}})
    assert data_size(tmp_path, auto) == "full"
    monkeypatch.setattr("runner.session.find_gpu", lambda *_: None)
    assert data_size(tmp_path, auto) == "small"


def test_settings_that_can_change_a_number_change_the_harness(measuring_cache: Path) -> None:
    budget = SETTINGS["budget"]
    same = opened(measuring_cache).comparability()
    for tables in (
        {"budget": budget | {"grace_s": 6}},
        {"budget": budget | {"predict_s": 21}},
        {"sandbox": SETTINGS["sandbox"] | {"memory_gb": 0.6}},
        {"candidate": SETTINGS["candidate"] | {"paths": ["train.py", "net.py"]}},
    ):
        assert opened(measuring_cache, **tables).comparability().harness != same.harness
    smoke = opened(measuring_cache, budget=budget | {"smoke_s": 1}).comparability()
    assert smoke == same


def test_the_class_names_the_bytes_of_the_data(session: Session) -> None:
    assert session.runner_class.data_digest == session.data.digest == session.comparability().data


def test_taking_no_sandbox_is_an_event(measuring_cache: Path) -> None:
    events: list[Event] = []
    settings = RunnerSettings.model_validate(SETTINGS | {"sandbox": {"backend": "none"}})
    open_session(Conditions(), settings, events.append, unconfined=True, cache=measuring_cache)
    (notice,) = [event for event in events if isinstance(event, NoticeEvent)]
    assert "no sandbox" in notice.message


def test_all_candidates_are_read_before_anything_runs(session: Session, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(HONEST)
    here = replace(session, repository=tmp_path)
    good = RunRequest(id="a", files="train.py", seed=3, smoke=False)
    (run,) = plan(BatchRequest(runs=[good]), here)
    assert run == PlannedRun("a", {"train.py": HONEST.encode()}, 3, smoke=False)
    missing = RunRequest(id="b", files="none.py", seed=3)
    with pytest.raises(RequestError, match=r"none\.py"):
        plan(BatchRequest(runs=[good, missing]), here)


def test_the_folder_of_a_batch_is_gone_afterwards(session: Session) -> None:
    with session.batch(lambda event: None) as batch:
        place = batch.workplace
        assert place.is_dir()
    assert not place.exists()


def test_the_memory_of_a_granted_gpu_is_measured(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    # Outside of a sandbox, as this machine may have no such card to grant.
    sandbox = choose("none", allow_none=True)
    run = PlannedRun("a", {"train.py": HONEST.encode()}, 3, smoke=False)
    for gpu, expected in ((CARD, 0), (None, None)):
        confinement = replace(session.confinement, sandbox=sandbox, gpu=gpu)
        with replace(session, confinement=confinement).batch(lambda event: None) as batch:
            (result,) = batch.run([run])
        assert result.status is Status.OK, result
        assert result.peak_gpu_memory_bytes == expected
