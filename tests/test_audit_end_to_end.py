"""Real audits: real command line, real sandbox, real data, real scores on both splits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.project import SETTINGS, Project


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def with_winner(folder: Path, cache: Path, every: int) -> Project:
    text = SETTINGS.replace("PYTHON", sys.executable)
    project = Project.make(folder, cache, settings=f"{text}\n[audit]\nevery = {every}\nruns = 2\n")
    project.open("fewer-pixels", 1)
    done = project.bot("step", "--json")
    assert done.code == 0, done.err
    assert done.json()["verdict"] == "merged"
    return project


def sealed_scores(project: Project) -> set[str]:
    """The sealed scores that the audits keep, as JSON writes them.

    But for those that stand in other places by chance: round ones (20.0), and what validation
    came to as well, or a verdict's estimate.
    """
    commits = project.git("rev-list", "--glob=refs/forge/audits", "--glob=refs/forge/pulls/*/meta")
    files = (project.git("show", f"{commit}:event.json") for commit in commits.split())
    events = [json.loads(file) for file in files]
    results = [event["result"] for event in events if "result" in event]
    estimates = [event["verdict"]["estimate"] or {} for event in events if "verdict" in event]
    validation = {json.dumps(result["metric"]) for result in results}
    validation |= {json.dumps(abs(one)) for known in estimates for one in known.values()}
    sealed = {json.dumps(result["sealed"]["metric"]) for result in results if result["sealed"]}
    return {score for score in sealed - validation if len(score.partition(".")[2]) > 3}


def test_an_audit_confirms_a_winner_and_keeps_the_sealed_split_to_people(
    tmp_path: Path, cache: Path
) -> None:
    project = with_winner(tmp_path / "project", cache, every=0)
    done = project.bot("audit", "--json")
    assert done.code == 0, done.err
    told = done.json()
    (audit,) = told["audits"]
    assert audit["replicated"] is True
    assert audit["runs"] == 2
    assert min(audit["claimed"], audit["confirmed"], audit["sealed"]) > 0
    assert told["total"] == {key: audit[key] for key in ("claimed", "confirmed", "sealed")}
    assert project.git("status", "--porcelain") == ""

    again = project.bot("audit", "--json")
    assert again.json() == told  # nothing new to measure
    scores = sealed_scores(project)
    assert scores
    public = project.git("log", "-p", "--branches", "--glob=refs/forge/pulls")
    public += project.bot("show", "1", "--json").out + project.bot("log", "--json").out
    assert [score for score in scores if score in public] == []
    assert len(project.bot("log", "--json").json()["experiments"]) == 1


@pytest.mark.slow
def test_a_step_audits_by_itself_and_then_goes_on(tmp_path: Path, cache: Path) -> None:
    project = with_winner(tmp_path / "project", cache, every=1)
    done = project.bot("step", "--json")
    assert done.code == 0, done.err
    assert "Audit: #1 replicated" in done.err
    assert done.json()["number"] == 2
    assert len(project.bot("audit", "--report", "--json").json()["audits"]) == 1
    assert project.git("log", "--format=%s", "--grep=^Audit: 1").startswith("Audit experiment #1")
