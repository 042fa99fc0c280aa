"""Steps whose measuring is GitHub Actions' work: the real scheduler, a model of GitHub Actions."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.errors import BotError
from bot.forge.base import Author, Permission, PlannedRun, PullRequest
from bot.forge.github.auth import TokenCredential
from bot.forge.github.client import GitHubClient
from bot.model import Proposal, Side
from bot.notify.send import WEBHOOK
from bot.proposers.base import Context, NothingToPropose, Proposer
from bot.run.local import HereAndNow, LocalMailbox
from bot.run.scheduler import Outcome
from bot.step import Stepper
from bot.views.reporter import Reporter
from bot.views.telling import StepTeller
from bot.workflows.collect import MOST_TRIES
from bot.workflows.measurer import UNKNOWN, WorkflowMeasurer
from bot.workflows.runs import Runs
from bot.workflows.terms import choose, terms
from runner.actions.documents import ARTIFACT, Expected, Published
from runner.digests import candidate_digest, data_digest, harness_digest, shaping
from runner.result import Measurement
from tests.bot.lab import Lab, ListProposer, git
from tests.bot.notify.hook import listening
from tests.bot.workflows.test_collect import WORKFLOW, zipped
from tests.github.faults import Fault
from tests.github.server import running
from tests.github.setting import BOT_TOKEN, new_github
from tests.github.state import GitHub, WorkflowRun

SETTINGS = "[run]\nmax_in_flight = 1\n"
DISPATCH = r"POST .*/measure.yml/dispatches"


@dataclass
class Bench:
    """A lab, and a model of GitHub Actions whose runs the test ends."""

    lab: Lab
    github: GitHub
    client: GitHubClient
    rates: list[float]
    device: str = "GPU"
    said: list[str] = field(default_factory=list)
    proposer: Proposer | None = None

    def measurer(self) -> WorkflowMeasurer:
        place = self.lab.place
        return WorkflowMeasurer(
            place.repository, place.forge, place.settings, Runs(self.client, "main"),
            self.said.append,
        )  # fmt: skip

    def step(self) -> Outcome:
        """A step in a process of its own, as far as it can remember anything."""
        self.proposer = self.proposer or ListProposer(self.rates)
        place = self.lab.place
        teller = StepTeller(Reporter(io.StringIO()), "mean_rank")
        proposers = HereAndNow(place, lambda name: self.proposer)  # type: ignore[arg-type,return-value]
        stepper = Stepper(place, self.measurer(), proposers, LocalMailbox(), teller)
        return stepper.go_on(terms(place.settings), choose)

    @property
    def queued(self) -> list[WorkflowRun]:
        return [run for run in self.github.runs.values() if run.status == "queued"]

    def result(self, planned: PlannedRun) -> Measurement:
        """Of one run, made on this device with the runner and the settings of now."""
        place = self.lab.place
        source = place.repository.read_file(planned.tree, "train.py") or b""
        result = self.lab.measurer.result(source, planned.seed)
        result["digests"]["harness"] = harness_digest(shaping(place.settings))
        made = {**result["runner_class"], "budget_s": place.settings.budget.cpu_s}
        made["device"] = self.device
        made["id"] = data_digest({k: v for k, v in made.items() if k != "id"})[:12]
        return Measurement.model_validate({**result, "runner_class": made})

    def measure(self, run: WorkflowRun) -> None:
        """What an honest machine with a GPU would hand back."""
        place = self.lab.place
        number, asked = int(run.inputs["pr"]), json.loads(run.inputs["runs"])
        pull = place.forge.pull(number)
        attempt = next(one for one in pull.attempts if one.id == run.inputs["attempt"])
        results = []
        for each in asked:
            planned = attempt.runs[each["index"]]
            assert (str(planned.side), planned.seed) == (each["side"], each["seed"])
            results.append(self.result(planned))
        digests = {
            side: candidate_digest(
                {"train.py": place.repository.read_file(tree, "train.py") or b""}
            )
            for side, tree in ((Side.CANDIDATE, attempt.merge_tree), (Side.BASELINE, attempt.base))
        }
        expected = Expected.model_validate(
            {
                **run.inputs,
                "pr": number,
                "runs": asked,
                "base_branch": "main",
                "candidate": digests[Side.CANDIDATE],
                "baseline": digests[Side.BASELINE],
                "harness": results[0].digests.harness,
                "scorer": "b" * 64,
            }
        )
        document = Published(expected=expected, measurements=tuple(results))
        data = zipped(document.model_dump_json().encode())
        self.github.finish_run(run.id, "success", {ARTIFACT: data})

    def measure_all(self) -> int:
        queued = self.queued
        for run in queued:
            self.measure(run)
        return len(queued)


def make(folder: Path, rates: list[float], settings: str = SETTINGS) -> Bench:
    lab = Lab.build(folder / "lab", settings)
    (lab.folder / ".github" / "workflows").mkdir(parents=True)
    (lab.folder / ".github" / "workflows" / "measure.yml").write_text(WORKFLOW)
    git(lab.folder, "add", "-A")
    git(lab.folder, "commit", "-qm", "Workflow")
    shutil.copytree(lab.folder / ".git", folder / "github.git")
    git(folder / "github.git", "config", "core.bare", "true")
    github = new_github(folder / "github.git")
    github.now = 1_799_999_000  # a little behind the forge: two clocks never agree
    return Bench(lab, github, None, rates)  # type: ignore[arg-type]


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = make(tmp_path, **getattr(request, "param", {"rates": [2.5, 0.5, 3.0]}))
    with running(made.github) as address:
        made.client = GitHubClient(
            made.github.full_name,
            TokenCredential(BOT_TOKEN),
            address,
            timeout_s=5,
            between_writes_s=0,
            sleep=lambda seconds: None,
        )
        yield made


def test_a_step_proposes_asks_for_a_measurement_and_leaves(bench: Bench) -> None:
    assert bench.step().concluded == ()
    (run,) = bench.queued
    assert (run.head_branch, run.inputs["pr"], run.inputs["attempt"]) == ("main", "1", "1.1")
    assert run.inputs["head_sha"] == bench.lab.place.forge.pull(1).head


def test_a_step_while_it_is_being_measured_does_nothing(bench: Bench) -> None:
    bench.step()
    refs = git(bench.lab.folder, "for-each-ref")
    bench.step()
    assert len(bench.github.runs) == 1
    assert git(bench.lab.folder, "for-each-ref") == refs


def test_experiments_go_from_proposal_to_verdict_by_steps_alone(bench: Bench) -> None:
    concluded: list[Any] = []
    for _ in range(30):
        concluded += bench.step().concluded
        if len(concluded) >= 2:
            break
        assert bench.measure_all() >= 1
    assert [str(done.verdict.reason) for done in concluded[:2]] == ["improvement", "worse"]
    assert "RATE = 2.5" in git(bench.lab.folder, "show", "main:train.py")


def test_what_was_measured_elsewhere_counts_only_after_it_is_kept(bench: Bench) -> None:
    bench.step()
    bench.measure_all()
    bench.step()
    first = bench.lab.place.forge.pull(1).attempts[0]
    assert first.complete


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out"])
def test_a_lost_run_is_asked_for_again_until_a_person_has_to_look(
    bench: Bench, conclusion: str
) -> None:
    for tries in range(MOST_TRIES):
        bench.step()
        assert len(bench.github.runs) == tries + 1
        bench.github.finish_run(bench.queued[0].id, conclusion)
    bench.step()
    bench.step()
    assert len(bench.github.runs) == MOST_TRIES
    (comment,) = [c for c in bench.lab.place.forge.pull(1).comments if "came to nothing" in c.body]
    assert "/bot rerun" in comment.body and "/actions/runs/" in comment.body


def test_a_runner_that_loses_an_attempt_for_good_is_told_of_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as hook:
        monkeypatch.setenv(WEBHOOK, hook.address)
        for _ in range(MOST_TRIES):
            bench.step()
            assert hook.got == []
            bench.github.finish_run(bench.queued[0].id, "failure")
        bench.step()
        bench.step()
    (told,) = map(json.loads, hook.got)
    assert told["event"] == "runner-broken"
    assert "#1: attempt 1.1 came to nothing 3 times" in told["text"]
    assert "/actions/runs/" in told["text"]


def test_a_person_can_have_a_lost_attempt_asked_for_again(bench: Bench) -> None:
    for _ in range(MOST_TRIES):
        bench.step()
        bench.github.finish_run(bench.queued[0].id, "failure")
    bench.step()
    assert not bench.queued
    bench.lab.place.forge.comment(1, Author("Person", "person@example.org"), "/bot rerun")
    bench.github.now = 1_950_000_000
    bench.step()
    assert [run.inputs["attempt"] for run in bench.queued] == ["1.1"]
    bench.measure_all()
    bench.step()
    assert bench.lab.place.forge.pull(1).attempts[0].complete


@pytest.mark.parametrize("how", ["edited", "in words", "by a stranger"])
def test_no_other_comment_has_a_lost_attempt_asked_for_again(
    bench: Bench, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MOST_TRIES):
        bench.step()
        bench.github.finish_run(bench.queued[0].id, "failure")
    forge = bench.lab.place.forge
    if how == "by a stranger":
        monkeypatch.setattr(type(forge), "permission", lambda *_: Permission.READ)
    body = "/bot rerun when it is mended" if how == "in words" else "/bot rerun"
    forge.comment(1, Author("Person", "person@example.org"), body)
    forge.comment(1, Author("Person", "person@example.org"), "Attempt 1.1 came to nothing 3 times")
    if how == "edited":
        pull, pulls = type(forge).pull, type(forge).pulls
        monkeypatch.setattr(type(forge), "pull", lambda *given: edited(pull(*given)))
        monkeypatch.setattr(type(forge), "pulls", lambda *given: tuple(map(edited, pulls(*given))))
    bench.github.now = 1_950_000_000
    bench.step()
    assert not bench.queued
    own = [c.body for c in forge.pull(1).comments if c.author == forge.bot]
    assert any("Mend the runner" in body for body in own)


def edited(pull: PullRequest) -> PullRequest:
    comments = (
        each if each.author.is_bot else replace(each, edited=True) for each in pull.comments
    )
    return replace(pull, comments=tuple(comments))


def test_a_run_that_vanished_is_asked_for_again(bench: Bench) -> None:
    bench.step()
    bench.github.runs.clear()
    bench.step()
    assert len(bench.queued) == 1


def test_a_dispatch_whose_answer_was_lost_is_not_repeated(bench: Bench) -> None:
    bench.github.faults.append(Fault(DISPATCH, status=502, after=True))
    bench.step()
    bench.step()
    assert len(bench.github.runs) == 1


def test_a_dispatch_that_never_arrived_is_made_by_the_next_step(bench: Bench) -> None:
    bench.github.faults.append(Fault(DISPATCH, status=502))
    bench.step()
    assert len(bench.github.runs) == 0
    bench.step()
    assert len(bench.github.runs) == 1


def test_only_the_missing_runs_are_asked_for(bench: Bench) -> None:
    bench.step()
    (run,) = bench.queued
    forge, attempt = bench.lab.place.forge, bench.lab.place.forge.pull(1).attempts[0]
    forge.record(1, attempt.id, 0, bench.result(attempt.runs[0]).model_dump(mode="json"))
    bench.github.finish_run(run.id, "failure")
    bench.step()
    (again,) = bench.queued
    indices = [each["index"] for each in json.loads(again.inputs["runs"])]
    assert indices == list(range(1, len(attempt.runs)))


@dataclass
class Stuck:
    """A proposer that raises the same again and again."""

    error: Exception
    name: str = "stuck"

    def propose(self, context: Context) -> Proposal:
        raise self.error


@pytest.mark.parametrize(
    "bench",
    [{"rates": [2.5], "settings": f"{SETTINGS}[caps]\nmax_experiments = 1\n"}],
    indirect=True,
)
def test_a_cap_that_is_reached_ends_a_step_and_is_no_failure(bench: Bench) -> None:
    for _ in range(10):
        if bench.step().concluded:
            break
        bench.measure_all()
    ended = bench.step()
    assert ended.concluded == ()
    assert "caps.max_experiments" in ended.why


def test_a_pause_ends_a_step_and_is_no_failure(bench: Bench) -> None:
    bench.step()
    bench.lab.place.forge.comment(1, Author("Person", "person@example.org"), "/bot pause")
    ended = bench.step()
    assert "Person paused the programme" in ended.why
    assert "/bot start" in ended.why


def test_where_no_idea_is_left_a_step_ends_and_is_no_failure(bench: Bench) -> None:
    bench.proposer = Stuck(NothingToPropose("Every value was tried."))
    assert bench.step().why == "Every value was tried."


def test_a_proposer_that_fails_is_a_failure_after_all_else_is_done(bench: Bench) -> None:
    bench.step()
    bench.proposer = Stuck(BotError("The key was refused."))
    bench.measure_all()
    for _ in range(10):
        before = len(bench.github.runs)
        try:
            bench.step()
        except BotError as error:
            assert "The key was refused." in str(error)
            break
        assert len(bench.github.runs) > before
        bench.measure_all()
    else:
        pytest.fail("it never failed")
    assert bench.lab.place.forge.pull(1).verdict is not None


def test_before_anything_is_measured_no_class_is_known(bench: Bench) -> None:
    assert bench.measurer().runner_class().startswith(f"{UNKNOWN}-")


def test_the_class_is_that_of_the_latest_measurement(bench: Bench) -> None:
    bench.step()
    bench.measure_all()
    first = bench.measurer().runner_class()
    assert not first.startswith(UNKNOWN)
    bench.step()
    bench.device = "Another GPU"
    bench.measure_all()
    assert bench.measurer().runner_class() not in {first, UNKNOWN}


def test_with_another_budget_nothing_from_before_is_comparable(bench: Bench) -> None:
    bench.step()
    bench.measure_all()
    bench.step()
    settings = bench.lab.place.settings
    longer = settings.model_copy(
        update={"budget": settings.budget.model_copy(update={"cpu_s": 60.0})}
    )
    measurer = bench.measurer()
    measurer.settings = longer
    assert measurer.runner_class().startswith(UNKNOWN)


@pytest.mark.parametrize(
    "bench",
    [{"rates": [2.5, 0.5, 3.0, 4.0, 5.0, 6.0], "settings": "[run]\nmax_in_flight = 3\n"}],
    indirect=True,
)
def test_several_experiments_wait_in_the_queue_of_the_runners(bench: Bench) -> None:
    bench.step()
    assert sorted(run.inputs["pr"] for run in bench.queued) == ["1", "2", "3"]
    bench.measure_all()
    bench.step()
    first = [bench.lab.place.forge.pull(number) for number in (1, 2, 3)]
    assert all(pull.attempts[0].complete for pull in first)
