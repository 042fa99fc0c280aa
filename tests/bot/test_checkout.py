"""What judges a candidate comes from the base branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.checkout import check_runner
from bot.errors import DirtyCheckout
from tests.bot.lab import Lab, git


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A repository that holds a runner of its own, as this project's does."""
    made = Lab.build(tmp_path / "project")
    (made.folder / "runner").mkdir()
    (made.folder / "runner/score.py").write_text("RANKS = True\n")
    git(made.folder, "add", "runner")
    git(made.folder, "commit", "-q", "-m", "Bring a runner")
    return made


def check(lab: Lab, package: str = "runner") -> None:
    check_runner(lab.place.repository, "main", lab.folder / package)


def test_the_runner_of_the_base_branch_may_judge(lab: Lab) -> None:
    check(lab)
    git(lab.folder, "switch", "-q", "-c", "idea")
    check(lab)


def test_what_python_keeps_beside_it_does_no_harm(lab: Lab) -> None:
    (lab.folder / "runner/__pycache__").mkdir()
    (lab.folder / "runner/__pycache__/score.cpython-311.pyc").touch()
    check(lab)


def test_an_edited_runner_may_not(lab: Lab) -> None:
    (lab.folder / "runner/score.py").write_text("RANKS = False\n")
    with pytest.raises(DirtyCheckout, match=r"runner/score.py .* is not as on main"):
        check(lab)


def test_one_that_is_committed_elsewhere_may_not(lab: Lab) -> None:
    git(lab.folder, "switch", "-q", "-c", "idea")
    (lab.folder / "runner/score.py").write_text("RANKS = False\n")
    git(lab.folder, "commit", "-q", "-am", "Judge kindly")
    with pytest.raises(DirtyCheckout, match="not as on main"):
        check(lab)


def test_a_file_beside_it_that_python_would_import_may_not(lab: Lab) -> None:
    (lab.folder / "runner/score_helper.py").write_text("")
    with pytest.raises(DirtyCheckout, match=r"runner/score_helper.py"):
        check(lab)


def test_one_that_is_installed_elsewhere_is_trusted(lab: Lab, tmp_path: Path) -> None:
    check_runner(lab.place.repository, "main", tmp_path / "site-packages/runner")


def test_one_that_the_base_branch_does_not_hold_is_trusted(lab: Lab) -> None:
    (lab.folder / "vendor").mkdir()
    check(lab, "vendor")
