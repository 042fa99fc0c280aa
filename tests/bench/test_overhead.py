from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bench import overhead
from bot.settings import parse


def test_the_start_of_a_sandbox_is_told_with_the_sandbox(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert overhead.main(["--only", "sandbox_start_ms", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"sandbox", "sandbox_start_ms"}
    assert told["sandbox"].startswith("bubblewrap ")


def test_a_bare_run_that_fails_gives_no_figure() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        overhead._bare(["/bin/false"], {})


def test_the_step_that_is_timed_has_settings_that_the_bot_takes(tmp_path: Path) -> None:
    overhead._clone(tmp_path / "clone", 60)
    settings = parse((tmp_path / "clone" / "bot.toml").read_bytes())
    assert (settings.budget.cpu_s, settings.budget.gpu_s) == (60, 60)
