from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.sandbox.base import Ended, Mount
from runner.sandbox.choose import choose
from tests.runner.sandbox.conftest import Run, assert_gone

NONE = choose("none", allow_none=True)


def test_whoever_takes_it_is_warned(capsys: pytest.CaptureFixture[str]) -> None:
    choose("none", allow_none=True)
    assert "WARNING: no sandbox" in capsys.readouterr().err
    told: list[str] = []
    choose("none", allow_none=True, tell=told.append)
    assert ["no sandbox" in line for line in told] == [True]
    assert capsys.readouterr().err == ""


def test_a_job_runs_with_its_paths_replaced(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "x").write_text("input")
    ran = run(
        "import os\n"
        "text = open(os.environ['DATA_DIR'] + '/x').read()\n"
        "open(os.environ['OUT_DIR'] + '/y', 'w').write(text + ' seen')\n"
        "print(os.environ['NOTE'], sorted(os.environ) == sorted("
        "['DATA_DIR', 'HOME', 'LANG', 'NOTE', 'OUT_DIR', 'PATH', 'TMPDIR']))",
        within=NONE,
        environment={"DATA_DIR": "/data", "OUT_DIR": "/out", "NOTE": "not/out"},
        mounts=(Mount(data, "/data"),),
    )
    assert ran.outcome.exit_code == 0, ran.text
    assert ran.text == "not/out True\n"
    assert (ran.folder / "y").read_text() == "input seen"


def test_its_process_group_is_killed_at_the_deadline(run: Run) -> None:
    ran = run("import os, time\nos.fork()\nwhile True: time.sleep(0.01)", within=NONE, wall_s=0.5)
    assert ran.outcome.ended is Ended.TIMED_OUT
    assert_gone(ran.mark)


def test_children_left_in_the_group_die_with_the_job(run: Run) -> None:
    ran = run("import os, time\nif os.fork() == 0: time.sleep(600)", within=NONE)
    assert ran.outcome.exit_code == 0
    assert_gone(ran.mark)


def test_hostile_output_is_refused_here_too(run: Run) -> None:
    ran = run(
        "import os; os.symlink('/etc/passwd', os.environ['OUT_DIR'] + '/x')",
        within=NONE,
        environment={"OUT_DIR": "/out"},
    )
    assert ran.outcome.ended is Ended.OUTPUT_LIMIT
    assert ran.files == set()


def test_it_leaves_no_folder(run: Run) -> None:
    import tempfile

    ran = run("import os; print(os.environ['HOME'])", within=NONE)
    home = Path(ran.text.strip())
    assert home.is_relative_to(tempfile.gettempdir())
    assert f"-{os.getpid()}-" in str(home)
    assert not home.parent.exists()
