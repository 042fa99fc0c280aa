"""The self-check holds under Docker as it does under bubblewrap."""

from __future__ import annotations

from pathlib import Path

from runner.interpreter import find_interpreter
from runner.sandbox.base import Sandbox
from runner.selfcheck import probe
from runner.settings import CandidateTable

TOP = Path(__file__).parents[4]


def test_everything_holds_under_docker(sandbox: Sandbox, interpreter: Path) -> None:
    found = probe(
        sandbox, TOP, find_interpreter(TOP, CandidateTable(python=str(interpreter))), None
    )
    assert {expectation.name for expectation in found if not expectation.held} == set()
    assert len(found) >= 20
