"""Real steps: real command line, real sandbox, real git, real data, real scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.git import Repository
from runner.digests import candidate_digest
from tests.project import TRAIN, Project


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path, cache: Path) -> Project:
    return Project.make(tmp_path / "project", cache)


BETTER = TRAIN.replace("PIXELS = 6 ", "PIXELS = 1 ")


def assert_merged_as_measured(project: Project, number: int) -> None:
    """The base branch holds, to the byte, what the accepted runs measured."""
    shown = project.bot("show", str(number), "--json").json()
    merged = Repository(project.folder).read_file("main", "train.py")
    assert merged is not None
    accepted = [
        run["result"]
        for attempt in shown["attempts"]
        for run in attempt["runs"]
        if run["side"] == "candidate"
    ]
    assert accepted
    digest = candidate_digest({"train.py": merged})
    assert {result["digests"]["candidate"] for result in accepted} == {digest}
    trees = {
        run["tree"] for a in shown["attempts"] for run in a["runs"] if run["side"] != "baseline"
    }
    repository = Repository(project.folder)
    for tree in trees:
        assert repository.read_file(tree, "train.py") == merged


def test_steps_propose_measure_judge_and_write_it_down(project: Project) -> None:
    done = project.bot("step", "--json")
    assert done.code == 0, done.err
    told = done.json()
    assert told["number"] == 1
    (logged,) = project.bot("log", "--json").json()["experiments"]
    assert logged["title"] == told["title"]
    assert logged["verdict"] == told["verdict"]
    assert logged["proposer"] == "search"
    assert logged["seeds"] >= 1
    assert "### #1 " in (project.folder / "scratchpad.md").read_text()
    assert project.git("status", "--porcelain") == ""
    shown = project.bot("show", "1", "--json").json()
    assert shown["branch"].startswith("exp/")
    assert shown["checks"] and shown["comments"]
    assert shown["attempts"][0]["runs"][0]["result"]["runner_class"]["profile"] == "cpu"
    second = project.bot("step", "--json").json()  # goes on from the first
    assert second["number"] == 2
    assert second["title"] != told["title"]


def test_a_better_idea_is_merged_into_a_clean_checkout(project: Project) -> None:
    assert project.open("fewer-pixels", 1).code == 0
    told = project.bot("step", "--json").json()
    assert told["verdict"] == "merged", told
    assert told["difference"] < 0
    assert_merged_as_measured(project, 1)
    assert (project.folder / "train.py").read_text() == BETTER
    assert project.git("status", "--porcelain") == ""
    assert "Merge experiment #1 (improvement)" in project.git("log", "-1", "--format=%s")


def test_a_checkout_with_other_edits_keeps_them(project: Project) -> None:
    (project.folder / "README.md").write_text("My draft.\n")
    (project.folder / "notes.txt").write_text("Untracked.\n")
    project.open("fewer-pixels", 1)
    assert project.bot("step", "--json").json()["verdict"] == "merged"
    assert_merged_as_measured(project, 1)
    assert (project.folder / "README.md").read_text() == "My draft.\n"
    assert (project.folder / "notes.txt").read_text() == "Untracked.\n"
    assert (project.folder / "train.py").read_text() == BETTER


def test_a_checkout_with_edits_in_question_is_refused_before_anything_is_done(
    project: Project,
) -> None:
    (project.folder / "train.py").write_text(BETTER)  # the best there is: a short step
    project.git("commit", "-qam", "Look at one pixel")
    (project.folder / "train.py").write_text(BETTER + "# mine\n")
    refs = project.git("for-each-ref")
    done = project.bot("step")
    assert done.code == 1
    assert "train.py" in done.err and "git stash" in done.err
    assert project.git("for-each-ref") == refs
    assert (project.folder / "train.py").read_text() == BETTER + "# mine\n"
    project.git("checkout", "-q", "train.py")
    assert project.bot("step").code == 0


def test_with_another_branch_checked_out_only_the_base_branch_moves(project: Project) -> None:
    project.open("fewer-pixels", 1)
    project.git("switch", "-qc", "elsewhere")
    assert project.bot("step", "--json").json()["verdict"] == "merged"
    assert_merged_as_measured(project, 1)
    assert (project.folder / "train.py").read_text() == TRAIN
    assert project.git("rev-parse", "--abbrev-ref", "HEAD") == "elsewhere"
    assert project.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_a_detached_head_is_left_where_it_is(project: Project) -> None:
    project.open("fewer-pixels", 1)
    project.git("switch", "-q", "--detach")
    at = project.git("rev-parse", "HEAD")
    assert project.bot("step", "--json").json()["verdict"] == "merged"
    assert project.git("rev-parse", "HEAD") == at
    assert (project.folder / "train.py").read_text() == TRAIN
