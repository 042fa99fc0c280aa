"""The self-check passes under bubblewrap, and fails where something is not as promised."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.doctor import diagnose
from runner.interpreter import Interpreter, find_interpreter
from runner.sandbox.base import Guarantee, Job, Mount, Outcome, Sandbox
from runner.sandbox.choose import choose
from runner.selfcheck import Expectation, probe
from runner.settings import CandidateTable, RunnerSettings

TOP = Path(__file__).parents[2]
PYTHON = TOP / ".venv-candidate/bin/python"


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    return find_interpreter(TOP, CandidateTable(python=str(PYTHON)))


@dataclass
class Leaky:
    """A sandbox that shows the repository and puts a key into the environment."""

    inner: Sandbox
    name: str = "leaky"

    def identity(self) -> str:
        return self.inner.identity()

    def guarantees(self) -> tuple[Guarantee, ...]:
        return self.inner.guarantees()

    def run(
        self, job: Job, collect_to: Path, on_output: Callable[[bytes], None] | None = None
    ) -> Outcome:
        shown = Mount(TOP / "bot.toml", str(TOP / "bot.toml"))
        more = {**job.environment, "API_KEY": "x"}
        return self.inner.run(
            replace(job, environment=more, mounts=(*job.mounts, shown)), collect_to, on_output
        )


def broken(found: list[Expectation]) -> set[str]:
    return {expectation.name for expectation in found if not expectation.held}


def test_everything_holds_under_bubblewrap(interpreter: Interpreter) -> None:
    found = probe(choose("bubblewrap"), TOP, interpreter, None)
    assert broken(found) == set()
    assert len(found) >= 20


def test_an_interpreter_with_the_packages_of_the_data_is_no_problem() -> None:
    own = find_interpreter(TOP, CandidateTable(python=sys.executable))
    found = {one.name: one for one in probe(choose("bubblewrap"), TOP, own, None)}
    assert found["no packages that the data came from"].held


def test_a_sandbox_that_shows_too_much_is_found_out(interpreter: Interpreter) -> None:
    found = probe(Leaky(choose("bubblewrap")), TOP, interpreter, None)
    assert broken(found) == {"repository hidden", "no environment beyond the contract"}


def test_without_a_sandbox_hardly_anything_holds(
    interpreter: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()  # a machine on which nothing was prepared has nothing to hide
    monkeypatch.setenv("MERGELAB_CACHE", str(tmp_path))
    found = broken(probe(choose("none", allow_none=True), TOP, interpreter, None))
    assert {
        "system-call filter", "host processes hidden", "repository hidden", "other runs hidden",
        "no addresses reached (host, metadata, internet)", "prepared data hidden",
        "no writable folders beyond scratch and output",
    } <= found  # fmt: skip


def doctor(folder: Path, settings: str, *more: str) -> subprocess.CompletedProcess[str]:
    path = folder / "bot.toml"
    path.write_text(f'[candidate]\npython = "{PYTHON}"\n[budget]\nprofile = "cpu"\n{settings}')
    command = [sys.executable, "-m", "runner", "doctor", "--settings", str(path), *more]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)


def test_json_is_one_object_with_the_documented_keys(tmp_path: Path) -> None:
    done = doctor(tmp_path, '[sandbox]\nbackend = "bubblewrap"\n', "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert set(value) == {"chosen", "why", "machine", "backends", "problems"}
    assert value["chosen"] == "bubblewrap"
    assert value["problems"] == []
    one = next(each for each in value["backends"] if each["name"] == "bubblewrap")
    assert {"name", "identity", "reason", "expectations", "guarantees"} == set(one)
    assert {guarantee["name"] for guarantee in one["guarantees"] if not guarantee["held"]} == {
        "kernel bugs"
    }


def test_people_get_plain_lines_when_the_output_is_no_terminal(tmp_path: Path) -> None:
    done = doctor(tmp_path, '[sandbox]\nbackend = "bubblewrap"\n')
    assert done.returncode == 0, done.stderr
    assert "sandbox          bubblewrap: sandbox.backend in bot.toml" in done.stdout
    assert "bubblewrap  yes  targets hidden" in done.stdout
    assert "\x1b" not in done.stdout


def test_no_sandbox_is_a_problem_with_advice_and_an_exit_code(tmp_path: Path) -> None:
    done = doctor(tmp_path, '[sandbox]\nbackend = "none"\n', "--json")
    assert done.returncode == 1
    value = json.loads(done.stdout)
    assert value["chosen"] == ""
    assert "confines nothing" in value["problems"][0]
    assert "confines nothing" in done.stderr


def test_a_missing_interpreter_is_told_like_everything_else(tmp_path: Path) -> None:
    settings = RunnerSettings(candidate=CandidateTable(python="nowhere/python"))
    found = diagnose(tmp_path, settings)
    assert any("There is no interpreter" in problem for problem in found.problems)


def test_data_of_a_project_of_its_own_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    scored = {"kind": "predictions", "inputs": "in", "targets": "out", "scorer": "score.py"}
    candidate = {"python": str(PYTHON), "needs": ["score.py"]}
    given = {"candidate": candidate, "task": scored, "mount": [{"source": "data"}]}
    settings = RunnerSettings.model_validate(given | {"sandbox": {"backend": "none"}})
    for name in ("data", "in", "out"):
        found = diagnose(tmp_path, settings)
        assert f"{tmp_path / name}, which" in found.machine["data"]
        assert found.machine["data"] in found.problems
        (tmp_path / name).mkdir()
    found = diagnose(tmp_path, settings)
    assert found.machine["data"] == "the project's own, 1 mounts"
    assert not any("which" in words and "is not there" in words for words in found.problems)
