"""Scripts that print their own metric, run for real."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runner.batch import PlannedRun
from runner.candidate import read_folder
from runner.errors import DataError, InvalidOutput, RequestError, RunnerError
from runner.kinds import reported
from runner.kinds.reported import read
from runner.request import Conditions
from runner.result import Measurement, Stage, Status
from runner.session import Session, open_session
from runner.settings import MetricTable, RunnerSettings

LOSS = r"val_loss: (\S+)"
METRIC = {"name": "val_loss", "pattern": LOSS}


def opened(
    folder: Path, conditions: Conditions | None = None, *, unconfined: bool = False, **tables: Any
) -> Session:
    given: dict[str, Any] = {
        "candidate": {"python": sys.executable},
        "task": {"kind": "reported"},
        "metric": METRIC,
        "budget": {"profile": "cpu", "cpu_s": 5, "grace_s": 1, "smoke_s": 1},
        "sandbox": {"memory_gb": 0.5, "output_mb": 16},
    }
    for name, table in tables.items():
        given[name] = given.get(name, {}) | table if isinstance(table, dict) else table
    settings = RunnerSettings.model_validate(given)
    asked = conditions or Conditions(repository=str(folder))
    return open_session(
        asked, settings, lambda _: None, unconfined=unconfined, cache=folder / ".cache"
    )


def run(session: Session, files: dict[str, str], seed: int = 7, smoke: bool = False) -> Measurement:
    planned = PlannedRun("run", {path: text.encode() for path, text in files.items()}, seed, smoke)
    session.task.check(planned.files)
    with session.batch(lambda _: None) as batch:
        (result,) = batch.run([planned])
    return result


def test_the_last_number_that_was_printed_is_the_metric(tmp_path: Path) -> None:
    script = "print('val_loss: 3')\nprint('epoch 2 val_loss: 0.123')\nprint('done')"
    result = run(opened(tmp_path), {"train.py": script}, smoke=True)
    assert (result.status, result.stage, result.metric) == (Status.OK, Stage.SCORE, 0.123)
    assert result.self_reported
    assert result.runner_class.data == "own"
    assert result.smoke_s > 0
    assert result.sealed is None


def test_numbers_beside_the_metric_are_read_too(tmp_path: Path) -> None:
    session = opened(tmp_path, metric={"secondary": {"acc": r"acc=(\S+)", "none": "none (.)"}})
    result = run(session, {"train.py": "print('acc=91.5% val_loss: 1e-3,')"})
    assert result.metric == 0.001
    assert result.secondary == {"acc": 91.5}


@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "none", "1_0", ""])
def test_a_metric_that_is_no_finite_number_is_no_metric(tmp_path: Path, said: str) -> None:
    result = run(
        opened(tmp_path), {"train.py": f"print('val_loss: 1')\nprint('val_loss: {said}x')"}
    )
    assert result.status is Status.INVALID_OUTPUT, result
    assert result.metric is None


def test_silence_is_no_metric(tmp_path: Path) -> None:
    result = run(opened(tmp_path), {"train.py": "print('bye')"})
    assert result.status is Status.INVALID_OUTPUT
    assert "val_loss was not found" in result.message


def test_a_number_before_a_crash_counts_for_nothing(tmp_path: Path) -> None:
    result = run(opened(tmp_path), {"train.py": "print('val_loss: 1')\n\nraise OSError('no')"})
    assert result.status is Status.CRASHED
    assert result.error is not None
    assert (result.error.type, result.error.line) == ("OSError", 3)


SEEN = """
import os, sys
print(sorted(os.environ))
print(sys.argv[1:], os.getcwd(), os.environ["COLOUR"], os.environ["TIME_BUDGET_S"])
print(open("../data/a.txt").read(), open("/corpora/b.txt").read(), open("conf.json").read())
from model.net import value
for place in ("../data/a.txt", "/corpora/b.txt"):
    try:
        open(place, "w")
    except OSError:
        print("cannot write", place)
os.makedirs("runs/one", exist_ok=True)
open("runs/one/log", "w").write("x")
open("../model.bin", "w").write("x")
print("val_loss:", int(os.environ["SEED"]) + value)
"""


def test_a_script_finds_its_project_as_it_is_at_home(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("first")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.txt").write_text("second")
    session = opened(
        tmp_path,
        candidate={
            "paths": ["src/train.py", "src/model/net.py"],
            "entry": "src/train.py",
            "command": ["python", "train.py", "--seed", "{seed}", "--seconds={budget_s}"],
            "folder": "src",
            "needs": ["src/conf.json"],
            "environment": {"COLOUR": "red"},
        },
        mount=[{"source": "data"}, {"source": str(elsewhere), "target": "/corpora"}],
    )
    files = {"src/train.py": SEEN, "src/model/net.py": "value = 0.5", "src/conf.json": "{1}"}
    result = run(session, files)
    assert result.status is Status.OK, result.log_tail
    assert result.metric == 7.5
    assert "['--seed', '7', '--seconds=5'] /tmp/project/src red 5" in result.log_tail
    assert "first second {1}" in result.log_tail
    assert result.log_tail.count("cannot write") == 2
    own = {"COLOUR", "OUT_DIR", "SEED", "TIME_BUDGET_S"}
    own |= {"PYTHONHASHSEED", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    seen = set(eval(result.log_tail.split("\n")[0]))
    assert own <= seen <= own | {"HOME", "PATH", "LANG", "PWD", "OLDPWD", "LC_CTYPE"}


def test_other_data_is_another_runner_class(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.txt").write_text("first")
    mount = [{"source": "data"}]
    one = opened(tmp_path, mount=mount).runner_class
    again = opened(tmp_path, mount=mount).runner_class
    (data / "a.txt").write_text("other")
    other = opened(tmp_path, mount=mount).runner_class
    assert one == again
    assert one.id != other.id
    assert one.data_digest != other.data_digest


def test_a_mount_cannot_lie_over_the_candidates_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    session = opened(tmp_path, mount=[{"source": "data", "target": "src"}])
    with pytest.raises(RequestError, match=r"mount at src .* over src/a\.py"):
        session.task.check({"src/a.py": b""})
    session.task.check({"srca.py": b""})


@pytest.mark.parametrize("source", [".", "..", "/"])
def test_a_mount_cannot_show_the_repository(tmp_path: Path, source: str) -> None:
    with pytest.raises(DataError, match="Name the folder that holds the data"):
        opened(tmp_path, mount=[{"source": source, "target": "data"}])


def test_missing_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Prepare the data"):
        opened(tmp_path, mount=[{"source": "data"}])


SLOW = "import time\nfor i in range(100):\n    print('val_loss:', i); time.sleep(0.3)"


def test_a_script_that_knows_no_budget_is_killed_or_stopped(tmp_path: Path) -> None:
    budget = {"cpu_s": 3, "grace_s": 0.5, "smoke_s": 0.5}
    killed = run(opened(tmp_path, budget=budget), {"train.py": SLOW})
    assert killed.status is Status.TIMED_OUT
    stopped = run(
        opened(tmp_path, budget=budget, task={"stop_at_budget": True}), {"train.py": SLOW}
    )
    assert stopped.status is Status.OK
    assert stopped.metric is not None
    assert stopped.metric >= 1


TORN = """
import os, sys, time
os.write(1, b"val_loss: 12.5\\nepoch 2\\nval_loss: 1")
time.sleep({rest})
os.write(1, b"1.25")
"""


def test_a_number_that_was_being_written_at_the_stop_is_not_read(tmp_path: Path) -> None:
    session = opened(tmp_path, task={"stop_at_budget": True}, budget={"cpu_s": 5})
    assert run(session, {"train.py": TORN.format(rest=60)}).metric == 12.5
    assert run(session, {"train.py": TORN.format(rest=0)}).metric == 11.25


def test_a_smoke_run_ends_a_script_that_still_runs_and_finds_one_that_does_not(
    tmp_path: Path,
) -> None:
    session = opened(tmp_path, budget={"cpu_s": 10, "grace_s": 1, "smoke_s": 2})
    fine = run(
        session, {"train.py": "import time; time.sleep(4); print('val_loss: 2')"}, smoke=True
    )
    assert (fine.status, fine.metric) == (Status.OK, 2)
    broken = run(session, {"train.py": "import nothing_like_this"}, smoke=True)
    assert (broken.status, broken.stage) == (Status.CRASHED, Stage.SMOKE)
    silent = run(session, {"train.py": "print('hello')"}, smoke=True)
    assert (silent.status, silent.stage) == (Status.INVALID_OUTPUT, Stage.SMOKE)


def test_without_a_sandbox_a_script_finds_its_data_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("0.25")
    session = opened(
        tmp_path, unconfined=True, sandbox={"backend": "none"}, mount=[{"source": "data"}]
    )
    result = run(session, {"train.py": "print('val_loss:', open('data/a.txt').read())"})
    assert result.metric == 0.25


def test_any_program_of_the_system_can_be_the_script(tmp_path: Path) -> None:
    session = opened(
        tmp_path,
        candidate={
            "paths": ["train.awk"],
            "entry": "train.awk",
            "command": ["awk", "-v", "seed={seed}", "-f", "train.awk"],
            "python": "/no/such/python",
        },
    )
    result = run(session, {"train.awk": 'BEGIN { print "val_loss: " seed / 2 }'}, seed=3)
    assert result.metric == 1.5
    assert result.runner_class.interpreter.startswith("awk sha256:")


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="no program 'fortran-2099'"):
        opened(tmp_path, candidate={"command": ["fortran-2099"]})


def test_there_is_no_sealed_split(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no sealed split"):
        opened(tmp_path, Conditions(repository=str(tmp_path), split="sealed"))
    audited = opened(tmp_path, Conditions(repository=str(tmp_path), sealed=True))
    result = run(audited, {"train.py": "print('val_loss: 1')"})
    assert (result.metric, result.sealed) == (1, None)


def test_a_single_file_is_measured_with_the_projects_other_files(tmp_path: Path) -> None:
    candidate = {"paths": ["train.py", "net.py"], "needs": ["conf"]}
    session = opened(tmp_path, candidate=candidate)
    (tmp_path / "conf" / "__pycache__").mkdir(parents=True)
    (tmp_path / "conf" / "__pycache__" / "x.pyc").write_text("")
    (tmp_path / "conf" / "a.txt").write_text("a")
    (tmp_path / "train.py").write_text("mine")
    (tmp_path / "net.py").write_text("net")
    (tmp_path / "idea.py").write_text("idea")
    files = read_folder(tmp_path / "idea.py", session.settings.candidate, tmp_path)
    assert files == {"train.py": b"idea", "net.py": b"net", "conf/a.txt": b"a"}


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"task": {"kind": "reported"}}, "metric.pattern must say"),
        ({"metric": {"pattern": LOSS}}, "metric.pattern can only be set"),
        ({"mount": [{"source": "data"}]}, "mount can only be set"),
        ({"task": {"kind": "reported"}, "metric": {"pattern": "val_loss"}}, "one group"),
        ({"task": {"kind": "reported"}, "metric": {"pattern": "(val_loss"}}, "regular expression"),
        ({"candidate": {"environment": {"SEED": "1"}}}, "set by the runner"),
        ({"candidate": {"environment": {"HOME": "/x"}}}, "set by the runner"),
        ({"candidate": {"environment": {"CUDA_VISIBLE_DEVICES": "1"}}}, "set by the runner"),
        ({"candidate": {"environment": {"A B": "1"}}}, "cannot be set"),
        ({"candidate": {"folder": "../x"}}, "plain relative path"),
        ({"candidate": {"command": [""]}}, "the first one a program"),
        ({"mount": [{"source": "../data"}]}, "plain relative path"),
        ({"mount": [{"source": "x", "target": "/usr/x"}]}, "needs for itself"),
        ({"mount": [{"source": "x", "target": "/a/../b"}]}, "plain path"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tables: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        RunnerSettings.model_validate(tables)


@given(st.binary(max_size=300))
def test_whatever_is_printed_gives_a_finite_number_or_is_refused(log: bytes) -> None:
    table = MetricTable(pattern=r"v(.*)")
    try:
        value = read(log, table).metric
    except InvalidOutput:
        return
    assert abs(value) < float("inf")


def test_colours_and_progress_bars_hide_no_number() -> None:
    table = MetricTable(pattern=LOSS)
    assert read(b"10%\r90% \x1b[1mval_loss: \x1b[31m0.5\x1b[0m\r\n", table).metric == 0.5


def test_an_output_that_takes_hours_to_search_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reported, "PATIENCE_S", 0.2)
    before = signal.getitimer(signal.ITIMER_REAL)[0]
    with pytest.raises(InvalidOutput, match="too hard to search"):
        read(b"loss " * 100_000, MetricTable(pattern=r"(?:\w+\s?)+: (\S+)$"))
    assert (signal.getitimer(signal.ITIMER_REAL)[0] > 0) == (before > 0)
    assert read(b"val_loss: 3", MetricTable(pattern=LOSS)).metric == 3
