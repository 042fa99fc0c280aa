from __future__ import annotations

import json
import subprocess

import pytest

from bench import overhead


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
