"""Every attack is blocked under bubblewrap, and an honest run is the same before and after."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from runner.redteam.case import CANDIDATES, Family
from runner.redteam.diffs import DiffCase, cases, run_diffs
from runner.redteam.judge import Finding
from runner.redteam.play import Play, leftovers
from runner.redteam.suite import SUITE

HOSTILE = sorted(CANDIDATES.glob("*/*.py"))
CHANGES = cases()


@pytest.fixture(scope="module")
def honest(play: Play) -> float:
    """What the honest candidate reaches before any attack."""
    return play.honest()


@pytest.mark.parametrize("family", [family for family in Family if family is not Family.DIFF])
def test_every_attack_is_blocked_and_breaks_nothing_for_the_next_run(
    family: Family, play: Play, honest: float
) -> None:
    findings = [
        play.attack(case, honest) for case in SUITE if case.family is family and not case.gpu
    ]
    assert [finding for finding in findings if not finding.blocked] == []
    assert all(finding.by for finding in findings), "each says what stopped it"
    assert play.honest() == honest
    assert leftovers() == []


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    honest = DiffCase("honest", "Edits train.py.", (("100644", b"train.py", b"x = 1\n"),))
    folder = tmp_path_factory.mktemp("changes") / "repository"
    found = run_diffs([*CHANGES, honest], folder, lambda finding: None)
    return {finding.name: finding for finding in found}


@pytest.mark.parametrize("name", [case.name for case in CHANGES])
def test_every_hostile_change_is_blocked(name: str, changes: dict[str, Finding]) -> None:
    assert changes[name].blocked, changes[name]


def test_an_honest_change_breaks_no_rule(changes: dict[str, Finding]) -> None:
    assert not changes["honest"].blocked


def test_every_hostile_file_is_in_the_suite_and_every_case_has_a_file() -> None:
    named = Counter(f"{case.family}/{case.name}.py" for case in SUITE)
    assert set(named) == {path.relative_to(CANDIDATES).as_posix() for path in HOSTILE}
    assert set(named.values()) == {1}


def test_there_are_many_attacks_in_every_family() -> None:
    families = Counter([*(case.family for case in SUITE), *(case.family for case in CHANGES)])
    assert set(families) == set(Family)
    assert min(families.values()) >= 5
    assert sum(families.values()) >= 100


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_hostile_file_says_what_it_tries_and_whose_idea_it_was(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert said.split("\n\n")[0].endswith(".")
    assert "Idea: " in said
    assert len(path.read_text().splitlines()) < 60, "a few lines each"
