"""Results are taken in from a model of GitHub, and only those that can be believed."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.actions import Measure
from bot.forge.base import Attempt
from bot.forge.github.auth import TokenCredential
from bot.forge.github.client import GitHubClient
from bot.git import Repository
from bot.history.trees import remake_trees
from bot.model import Purpose
from bot.workflows.collect import Collector, Found
from bot.workflows.runs import Runs
from runner.actions.documents import ARTIFACT, DOCUMENT, Asked, AskedRun, Expected, Published
from runner.digests import candidate_digest
from runner.result import Measurement
from tests.bot.lab import TRAIN, Lab, git
from tests.github.faults import Fault
from tests.github.server import running
from tests.github.setting import BOT_TOKEN, new_github
from tests.github.state import GitHub, WorkflowRun

NAME = 'name: Measure\nrun-name: "Measure #${{ inputs.pr }}, attempt ${{ inputs.attempt }}"\n'
WORKFLOW = NAME + "on:\n  workflow_dispatch:\n"


@dataclass
class Bench:
    """An open experiment with an attempt that was asked for, and GitHub."""

    lab: Lab
    github: GitHub
    runs: Runs
    said: list[str]

    @property
    def attempt(self) -> Attempt:
        return self.lab.place.forge.pull(1).attempts[-1]

    def collect(self) -> Found:
        place = self.lab.place
        return Collector(
            place.repository, place.forge, place.settings, self.runs, self.said.append
        ).collect()

    def ask(self) -> WorkflowRun:
        self.runs.ask(asked(self.attempt))
        return list(self.github.runs.values())[-1]

    def published(self) -> Published:
        """What an honest report hands out."""
        repository = self.lab.place.repository
        attempt = self.attempt
        results = []
        for planned in attempt.runs:
            source = repository.read_file(planned.tree, "train.py") or b""
            results.append(
                Measurement.model_validate(self.lab.measurer.result(source, planned.seed))
            )
        digests = [
            candidate_digest({"train.py": repository.read_file(tree, "train.py") or b""})
            for tree in (attempt.merge_tree, attempt.base)
        ]
        expected = Expected(
            **asked(attempt).model_dump(),
            base_branch="main",
            candidate=digests[0],
            baseline=digests[1],
            harness="a" * 64,
            scorer="b" * 64,
        )
        return Published(expected=expected, measurements=tuple(results))

    def finish(self, run: WorkflowRun, published: Published | bytes) -> None:
        data = published if isinstance(published, bytes) else published.model_dump_json().encode()
        self.github.finish_run(run.id, "success", {ARTIFACT: zipped(data)})


def asked(attempt: Attempt) -> Asked:
    runs = tuple(
        AskedRun(index=i, side=str(run.side), seed=run.seed, smoke=False)  # type: ignore[arg-type]
        for i, run in enumerate(attempt.runs)
    )
    return Asked(pr=1, head_sha=attempt.head, base_sha=attempt.base, attempt="1.1", runs=runs)


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(DOCUMENT, data)
    return buffer.getvalue()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    lab = Lab.build(tmp_path / "lab")
    (lab.folder / ".github" / "workflows").mkdir(parents=True)
    (lab.folder / ".github" / "workflows" / "measure.yml").write_text(WORKFLOW)
    git(lab.folder, "add", "-A")
    git(lab.folder, "commit", "-qm", "Workflow")
    number = lab.experiment({"train.py": TRAIN.replace("1.0", "2.0")})
    view = lab.view()
    start(lab, Measure(number, 1, 1, Purpose.SCREEN), view)
    shutil.copytree(lab.folder / ".git", tmp_path / "github.git")
    git(tmp_path / "github.git", "config", "core.bare", "true")
    github = new_github(tmp_path / "github.git")
    github.now = 1_800_001_000
    with running(github) as address:
        client = GitHubClient(
            github.full_name, TokenCredential(BOT_TOKEN), address, between_writes_s=0
        )
        yield Bench(lab, github, Runs(client, "main"), [])


def start(lab: Lab, action: Measure, view: Any, name: str = "1.1") -> None:
    """An attempt that is written down, and not measured here."""
    standing = view.standing(action.number)
    repository: Repository = lab.place.repository
    tree = repository.tree(view.snapshot.base)
    from bot.forge.base import PlannedRun
    from bot.model import Side

    runs = (
        PlannedRun(Side.BASELINE, tree, 5, Purpose.SCREEN),
        PlannedRun(Side.CANDIDATE, str(standing.merge_tree), 5, Purpose.SCREEN),
    )
    lab.place.forge.start(
        action.number,
        Attempt(name, view.snapshot.base, standing.pull.head, str(standing.merge_tree), runs, {}),
    )


def test_an_honest_result_is_taken_in_once(bench: Bench) -> None:
    run = bench.ask()
    assert set(bench.collect().waiting) == {"1.1"}
    bench.finish(run, bench.published())
    found = bench.collect()
    assert bench.attempt.complete
    assert (found.waiting, found.lost) == ({}, {})
    assert bench.collect() == Found({}, {})


def test_a_clone_that_never_had_the_merge_tree_makes_it_again(bench: Bench, tmp_path: Path) -> None:
    """As every step on GitHub is: what it works in is new each time."""
    folder = bench.lab.folder
    (folder / "README.md").write_text("The base moves on, so that the merge is no head's tree.\n")
    git(folder, "commit", "-qam", "Base")
    number = bench.lab.experiment({"train.py": TRAIN.replace("1.0", "4.0")})
    (folder / "README.md").write_text("And on.\n")
    git(folder, "commit", "-qam", "Base")
    start(bench.lab, Measure(number, 1, 1, Purpose.SCREEN), bench.lab.view(), "2.1")
    tree = bench.lab.place.forge.pull(number).attempts[0].merge_tree
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--no-local", str(folder), str(clone))
    fresh = Repository(clone)
    assert not fresh.has(tree)
    git(clone, "fetch", "-q", "origin", bench.lab.place.forge.pull(number).head)
    remake_trees(fresh, [bench.lab.place.forge.pull(number)])
    assert fresh.has(tree)


def test_a_result_counts_as_soon_as_the_report_has_put_it_there(bench: Bench) -> None:
    run = bench.ask()
    run.status = "in_progress"
    data = bench.published().model_dump_json().encode()
    bench.github.add_artifact(run.id, ARTIFACT, zipped(data))
    bench.collect()
    assert bench.attempt.complete


def test_an_attempt_that_was_never_asked_for_has_had_no_try(bench: Bench) -> None:
    assert bench.collect().lost == {"1.1": []}


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "success"])
def test_a_run_that_ends_without_a_result_is_a_lost_try(bench: Bench, conclusion: str) -> None:
    bench.github.finish_run(bench.ask().id, conclusion)
    found = bench.collect()
    assert [len(tries) for tries in found.lost.values()] == [1]
    assert not bench.attempt.results


def test_the_result_of_a_second_try_counts(bench: Bench) -> None:
    bench.github.finish_run(bench.ask().id, "failure")
    bench.finish(bench.ask(), bench.published())
    bench.collect()
    assert bench.attempt.complete


def test_an_expired_artifact_is_no_result(bench: Bench) -> None:
    run = bench.ask()
    bench.finish(run, bench.published())
    for artifact in bench.github.artifacts.values():
        artifact.expired = True
    assert set(bench.collect().lost) == {"1.1"}


@pytest.mark.parametrize("status", [404, 410])
def test_an_artifact_that_is_gone_before_it_is_read_ends_no_step(bench: Bench, status: int) -> None:
    bench.finish(bench.ask(), bench.published())
    bench.github.faults.append(Fault("GET .*/zip", status=status))
    assert set(bench.collect().lost) == {"1.1"}
    assert not bench.attempt.results


IMPOSTORS: dict[str, dict[str, Any]] = {
    "a run of .github/workflows/other.yml": {"path": ".github/workflows/other.yml"},
    "a run of .github/workflows/measure.yml@exp/x": {"path": ".github/workflows/measure.yml@exp/x"},
    "started by push": {"event": "push"},
    "ran on the branch exp/x": {"head_branch": "exp/x"},
    "ran in mallory/research": {"repository": "mallory/research"},
    "it measured 'Measure #2": {"inputs": {"pr": "2", "attempt": "1.1"}},
}


@pytest.mark.parametrize("why", IMPOSTORS)
def test_a_result_is_believed_only_after_github_confirmed_where_it_comes_from(
    bench: Bench, why: str
) -> None:
    run = bench.ask()
    bench.finish(run, bench.published())
    found = bench.runs.since(0)["Measure #1, attempt 1.1"][0]
    for name, value in IMPOSTORS[why].items():
        setattr(run, name, value)
    told = bench.runs.confirm(found, 1, "1.1")
    assert told is not None and why in told
    bench.collect()
    assert not bench.attempt.results


def forged(bench: Bench, name: str) -> Published:
    published = bench.published()
    told, (base, own) = published.expected, published.measurements
    others: dict[str, Any] = {
        "another pull request": {"expected": told.model_copy(update={"pr": 2, "attempt": "2.1"})},
        "another attempt": {"expected": told.model_copy(update={"attempt": "1.2"})},
        "another branch": {"expected": told.model_copy(update={"base_branch": "dev"})},
        "sides exchanged": {
            "expected": told.model_copy(
                update={
                    "runs": (
                        told.runs[0].model_copy(update={"side": "candidate"}),
                        told.runs[1].model_copy(update={"side": "baseline"}),
                    )
                }
            )
        },
        "another seed": {"measurements": (base, own.model_copy(update={"seed": 6}))},
        "other files": {"measurements": (base, base)},
        "no such run": {
            "expected": told.model_copy(
                update={"runs": (told.runs[0], told.runs[1].model_copy(update={"index": 9}))}
            )
        },
    }
    return published.model_copy(update=others[name])


@pytest.mark.parametrize(
    "name", ["another pull request", "another attempt", "another branch", "sides exchanged",
             "another seed", "other files", "no such run"],
)  # fmt: skip
def test_a_result_of_something_else_is_refused_and_leaves_a_trace(bench: Bench, name: str) -> None:
    bench.finish(bench.ask(), forged(bench, name))
    found = bench.collect()
    assert not bench.attempt.results
    assert set(found.lost) == {"1.1"}
    assert "refused" in bench.said[-1] and "Nothing of it was recorded" in bench.said[-1]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[" * 50_000, b'{"version": 1, "expected": NaN}', b"\xff" * 100],
)  # fmt: skip
def test_a_document_of_no_known_form_is_refused(bench: Bench, data: bytes) -> None:
    bench.finish(bench.ask(), data)
    bench.collect()
    assert not bench.attempt.results
    assert len(bench.said[-1]) < 3_000


def test_a_huge_document_in_a_small_archive_is_refused(bench: Bench) -> None:
    bench.finish(bench.ask(), bytes(100_000_000))
    bench.collect()
    assert not bench.attempt.results
    assert "more than" in bench.said[-1]


def test_taking_in_costs_few_calls(bench: Bench) -> None:
    bench.finish(bench.ask(), bench.published())
    before = bench.runs.client.calls.counted
    bench.collect()
    assert bench.runs.client.calls.counted - before <= 5


def test_a_number_that_is_not_finite_is_refused(bench: Bench) -> None:
    data = bench.published().model_dump_json()
    assert '"metric":' in data
    for value in ("NaN", "1e999", '"inf"'):
        bench.finish(bench.ask(), re.sub(r'"metric":[0-9.]+', f'"metric":{value}', data).encode())
        bench.collect()
        assert not bench.attempt.results
