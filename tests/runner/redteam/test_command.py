"""`python -m runner redteam`, as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner.redteam.conftest import TOP


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "bot.toml"
    python = TOP / ".venv-candidate/bin/python"
    path.write_text(f'[candidate]\npython = "{python}"\n[budget]\nprofile = "cpu"\n')
    return path


def redteam(settings_file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runner", "redteam", "--settings", str(settings_file), *more]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)


def test_json_is_one_object_with_the_promised_keys(settings_file: Path) -> None:
    done = redteam(settings_file, "--backend", "bubblewrap", "--only", "ties", "--only", "mode",
                   "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert {"backend", "total", "blocked", "cases"} <= set(value)
    assert (value["backend"], value["total"], value["blocked"]) == ("bubblewrap", 2, 2)
    assert [sorted(case) for case in value["cases"]] == [["blocked", "by", "family", "name"]] * 2
    assert value["honest"]["equal"] is True
    assert value["leftovers"] == []


def test_people_get_a_line_for_each_attack_and_the_sum(settings_file: Path) -> None:
    done = redteam(settings_file, "--backend", "bubblewrap", "--only", "luck")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "blocked 5 of 5 (bubblewrap)"
    assert all(line.startswith("blocked: luck/") for line in lines[:-1])


def test_an_unknown_name_is_refused_with_the_known_families(settings_file: Path) -> None:
    done = redteam(settings_file, "--only", "nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "reading" in done.stderr


def test_attacks_never_run_without_a_sandbox(settings_file: Path) -> None:
    settings_file.write_text(settings_file.read_text() + '[sandbox]\nbackend = "none"\n')
    done = redteam(settings_file)
    assert done.returncode == 2
    assert "its attacks would be real" in done.stderr
