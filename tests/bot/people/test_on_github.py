"""Commands from comment to effect: the real scheduler and forge on the model of GitHub.

Only the runs are made up. Each test says something on GitHub, lets a step run as `step.yml`
would, and looks at GitHub.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.actions import Measure
from bot.decide import decide
from bot.forge.github.auth import TokenCredential
from bot.forge.github.client import GitHubClient
from bot.forge.github.forge import GitHubForge
from bot.forge.github.remote import Remote
from bot.history import ledger
from bot.model import Hypothesis, Proposal, Verdict
from bot.people.record import visible
from bot.proposers.base import Context, NothingToPropose
from bot.proposing.propose import open_proposal
from bot.run.base import Answered
from bot.run.local import LocalMailbox
from bot.run.scheduler import Outcome
from bot.step import Stepper
from bot.views.reporter import Reporter
from bot.views.telling import StepTeller
from bot.workflows.terms import choose, terms
from tests.bot.lab import TRAIN, AtOnce, Done, Lab, ListProposer, git
from tests.github.pulls import add_line, review_by
from tests.github.server import running
from tests.github.setting import ACTIONS_APP, APP, BOT_ID, BOT_LOGIN, BOT_TOKEN, new_github
from tests.github.state import CheckRun, Comment, GitHub, Pull

pytestmark = pytest.mark.slow

SETTINGS = """
[proposer]
name = "command"
[forge]
adopt = "files"
"""


@dataclass
class Reviser:
    """A proposer that has no ideas of its own, and follows people's word."""

    name: str = "command"
    told: list[str] = field(default_factory=list)

    def propose(self, context: Context) -> Proposal:
        if context.revision is None:
            raise NothingToPropose("Nobody has an idea.")
        self.told.append(context.revision.guidance)
        files = {"train.py": TRAIN.replace("1.0", "2.9").encode()}
        return Proposal(Hypothesis("Set RATE to 2.9", "As asked."), files, self.name)


class Jobs(AtOnce):
    """Jobs that are over when they have begun; of a proposer's also without an answer."""

    def start(self, job: int, *rest: Any) -> Done:
        try:
            return super().start(job, *rest)
        except NothingToPropose as error:
            rest[-1](Answered(job, error=error))
            return Done()


@dataclass
class Bench:
    """A clone, GitHub, and a bot between them that lives for one step only."""

    lab: Lab
    github: GitHub
    client: GitHubClient
    proposer: Reviser = field(default_factory=Reviser)

    def forge(self) -> GitHubForge:
        settings, repository = self.lab.place.settings, self.lab.place.repository

        def settled() -> dict[int, Verdict]:
            entries = ledger.read(repository.path, "main")
            return {each.number: Verdict(each.reason, each.explanation) for each in entries}

        return GitHubForge(
            repository,
            self.client,
            Remote(repository, str(self.github.repository.path), None),
            "main",
            account=BOT_LOGIN,
            verdicts=settled,
            adopted_paths=settings.candidate.paths,
            clock=lambda: float(self.github.now),
            sleep=lambda seconds: None,
        )

    def step(self) -> Outcome:
        place = replace(self.lab.place, forge=self.forge())
        jobs = Jobs(self.lab.measurer, self.proposer)
        teller = StepTeller(Reporter(io.StringIO()), "mean_rank")
        stepper = Stepper(place, jobs, jobs, LocalMailbox(), teller)
        return stepper.go_on(terms(place.settings), choose)

    def open(self, rate: float = 3.0) -> Pull:
        """An experiment of the bot's."""
        proposer = ListProposer([rate], name="command")
        made = open_proposal(self.lab.place, self.lab.view(), proposer, lambda: self.github.now)
        return self.github.pulls[made.number]

    def opened_by(self, login: str, branch: str = "idea", rate: float = 3.0) -> Pull:
        """Somebody's own pull request, not labelled."""
        self.push(branch, TRAIN.replace("1.0", str(rate)))
        made = self.client.post("pulls", {"title": "Mine", "head": branch, "base": "main"})
        pull = self.github.pulls[made["number"]]
        pull.user = self.github.user(login)
        pull.fork = not pull.user.may_write
        return pull

    def push(self, branch: str, train: str) -> str:
        head = self.lab.branch(f"mine-{branch}", {"train.py": train})
        bare = str(self.github.repository.path)
        git(self.lab.folder, "push", "-q", "-f", bare, f"{head}:refs/heads/{branch}")
        self.github.observe()
        return head

    def say(self, login: str, body: str, number: int = 1) -> Comment:
        return self.github.comment(number, self.github.user(login), body)

    def answers(self, number: int = 1) -> list[str]:
        """The bot's answers, as GitHub shows them."""
        said = self.forge().pull(number).comments
        return [visible(each.body) for each in said if each.author.id == str(BOT_ID)]

    def attempts(self, number: int = 1) -> int:
        return len(self.forge().pull(number).attempts)

    def main(self) -> str:
        return git(self.lab.folder, "show", "main:train.py")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    lab = Lab.build(tmp_path / "lab", SETTINGS)
    bare = tmp_path / "github.git"
    shutil.copytree(lab.folder / ".git", bare)
    git(bare, "config", "core.bare", "true")
    github = new_github(bare)
    with running(github) as address:
        client = GitHubClient(
            github.full_name,
            TokenCredential(BOT_TOKEN),
            address,
            timeout_s=5,
            between_writes_s=0,
            sleep=lambda seconds: None,
            clock=lambda: float(github.now),
        )
        made = Bench(lab, github, client)
        forge = made.forge()
        place = replace(lab.place, forge=forge)
        executor = replace(lab.executor, forge=forge)
        made.lab = replace(lab, place=place, executor=executor)
        yield made


def reactions(comment: Comment) -> list[str]:
    return [word for *_, word in comment.reactions]


def test_hold_and_resume(bench: Bench) -> None:
    pull, comment = bench.open(), bench.say("grace", "Wait for me.\n\n/bot hold")
    bench.step()
    assert bench.attempts() == 0
    assert "held" in pull.labels and reactions(comment) == ["+1"]
    assert "It is held" in bench.answers()[-1]
    bench.say("ada", "/bot resume")
    (done,) = bench.step().concluded
    assert done.verdict.merged and pull.merged
    assert "held" not in pull.labels


def test_close(bench: Bench) -> None:
    pull = bench.open()
    bench.say("grace", "/bot close it was tried in spring")
    bench.step()
    assert (pull.state, pull.merged, bench.attempts()) == ("closed", None, 0)
    assert "grace closed it by command: it was tried in spring" in bench.answers()[-1]
    assert "by-human" in git(bench.lab.folder, "log", "-1", "--format=%B", "main")


def test_merge(bench: Bench) -> None:
    pull = bench.open(0.5)
    bench.say("grace", "/bot merge")
    bench.step()
    assert pull.merged and "RATE = 0.5" in bench.main()
    assert "unmeasured" in git(bench.lab.folder, "log", "-1", "--format=%B", "main")


def test_rerun(bench: Bench) -> None:
    pull = bench.open()
    while isinstance(decide(bench.lab.view().snapshot)[0], Measure):
        bench.lab.act()
    before = bench.attempts()
    bench.say("grace", "/bot rerun")
    bench.step()
    assert bench.attempts() == before + 1
    assert pull.merged


def test_revise_reaches_the_proposer_with_what_was_said_of_lines(bench: Bench) -> None:
    pull = bench.open(9.0)
    head = pull.head
    line = {"body": "Why so much?", "path": "train.py", "line": 2}
    add_line(bench.github, pull, bench.github.user("ada"), line, None)
    bench.say("grace", "/bot revise a little less")
    (done,) = bench.step().concluded
    (told,) = bench.proposer.told
    assert told == "a little less\nComments on lines:\ntrain.py:2 (ada): Why so much?"
    assert pull.head != head and done.verdict.merged
    assert "RATE = 2.9" in bench.main()
    measured = {source for _, source in bench.lab.measurer.measured}
    assert not any(b"RATE = 9.0" in source for source in measured)


def test_pause_and_start(bench: Bench) -> None:
    pull = bench.open()
    bench.say("grace", "/bot pause")
    assert "grace paused the programme" in bench.step().why
    assert "grace paused the programme" in bench.step().why
    assert (bench.attempts(), pull.state) == (0, "open")
    bench.say("ada", "/bot start")
    bench.step()
    assert pull.merged


def test_help_and_unknown_commands(bench: Bench) -> None:
    bench.open()
    asked = bench.say("mallory", "/bot help")
    unknown = bench.say("grace", "/bot dance\n/bot hold")
    bench.step()
    assert (reactions(asked), reactions(unknown)) == (["+1"], ["confused"])
    to_grace, to_mallory = bench.answers()[-2:]
    assert "there is no command `dance`" in to_grace and "It is held" in to_grace
    assert "/bot revise TEXT" in to_mallory


def test_a_command_in_a_review_is_obeyed(bench: Bench) -> None:
    pull = bench.open()
    grace = bench.github.user("grace")
    review_by(bench.github, pull, grace, "COMMENTED", "Not again.\n\n/bot close", pull.head)
    bench.step()
    assert (pull.state, bench.attempts()) == ("closed", 0)


def test_what_is_no_order_is_not_obeyed_and_leaves_a_trace(bench: Bench) -> None:
    pull = bench.open()
    bench.say("grace", "/bot hold")
    bench.step()
    quoted = bench.say("grace", "> /bot merge\n\n`/bot merge`\n\n```\n/bot close\n```\n")
    by_bot = bench.say("github-actions[bot]", "/bot merge")
    bench.say("mergelab[bot]", "/bot close")
    edited = bench.say("grace", "Nice.")
    edited.body, edited.updated = "/bot merge", bench.github.tick()
    stranger = bench.say("mallory", "/bot merge\n/bot close\n/bot resume\n/bot pause")
    revoked = bench.say("ada", "/bot close")
    bench.github.user("ada").permission = "read"
    bench.step()
    assert (pull.state, bench.attempts(), pull.merged) == ("open", 0, None)
    assert "RATE = 1.0" in bench.main()
    said = [each for each in bench.answers()[1:] if each != "/bot close"]
    assert sorted(each.count("only people with write permission") for each in said) == [0, 1, 4]
    assert sum("the comment was edited" in each for each in said) == 1
    assert [reactions(each) for each in (edited, stranger, revoked)] == [["confused"]] * 3
    assert reactions(quoted) == reactions(by_bot) == []
    before = bench.answers()
    bench.step()
    assert bench.answers() == before, "everybody was answered once"


def test_an_order_that_was_edited_after_it_was_taken_stays_as_it_was(bench: Bench) -> None:
    pull, comment = bench.open(), bench.say("grace", "/bot hold")
    bench.step()
    comment.body, comment.updated = "/bot merge", bench.github.tick()
    bench.step()
    assert (pull.state, "held" in pull.labels, bench.attempts()) == ("open", True, 0)
    assert len(bench.answers()) == 1


def test_a_pull_request_of_a_member_that_changes_only_allowed_files_is_judged(
    bench: Bench,
) -> None:
    pull = bench.opened_by("grace")
    (done,) = bench.step().concluded
    assert done.verdict.merged and pull.merged
    assert "changes only what bot.toml allows" in bench.answers()[0]


def test_one_of_a_stranger_is_explained_and_measured_only_once_its_head_is_approved(
    bench: Bench,
) -> None:
    pull = bench.opened_by("mallory")
    bench.step()
    assert pull.labels == ["experiment", "needs-approval"]
    assert bench.attempts() == 0
    assert f"/bot approve {pull.head}" in bench.answers()[-1]
    bench.say("mallory", f"/bot approve {pull.head}")
    review_by(bench.github, pull, bench.github.user("rita"), "APPROVED", "", pull.head)
    old = pull.head
    bench.step()
    assert bench.attempts() == 0
    pull.head = bench.push("idea", TRAIN.replace("1.0", "2.8"))
    bench.github.repository.set_ref(f"refs/pull/{pull.number}/head", pull.head)
    bench.say("grace", f"/bot approve {old}")
    bench.step()
    assert bench.attempts() == 0
    assert f"the head is `{pull.head}` now" in "".join(bench.answers())
    review_by(bench.github, pull, bench.github.user("grace"), "APPROVED", "", pull.head)
    (done,) = bench.step().concluded
    assert done.verdict.merged
    assert "RATE = 2.8" in bench.main()


def test_an_ended_experiment_that_is_opened_again_keeps_its_verdict(bench: Bench) -> None:
    pull = bench.open(0.5)
    bench.step()
    assert (pull.state, pull.merged) == ("closed", None)
    base, attempts = git(bench.lab.folder, "rev-parse", "main"), bench.attempts()
    pull.state, pull.closed, pull.updated = "open", None, bench.github.tick()
    for _ in range(2):
        assert bench.step().concluded == ()
    said = [each for each in bench.answers() if "its verdict stands" in each]
    assert len(said) == 1
    assert (git(bench.lab.folder, "rev-parse", "main"), bench.attempts()) == (base, attempts)


# None gets its way, each leaves a clear trace

FORBIDDEN: dict[str, dict[str, str]] = {
    "a-workflow": {".github/workflows/measure.yml": "on: push\n"},
    "the-scorer": {"runner/task/score.py": "def score(*_): return 1.0\n"},
    "dependencies": {"requirements/bot.txt": "evil==1\n"},
    "conftest": {"conftest.py": "import os\n"},
    "sitecustomize": {"sitecustomize.py": "import os\n"},
    "settings": {"bot.toml": "[candidate]\npaths = ['README.md']\n"},
}


def test_what_changes_anything_else_is_closed_and_the_reason_told(bench: Bench) -> None:
    better = {"train.py": TRAIN.replace("1.0", "3.0")}
    heads = {name: bench.lab.branch(name, {**better, **more}) for name, more in FORBIDDEN.items()}
    link = bench.lab.folder / "link"
    git(bench.lab.folder, "worktree", "add", "-q", "--detach", str(link), "main")
    (link / "train.py").unlink()
    (link / "train.py").symlink_to("/etc/passwd")
    git(link, "commit", "-qam", "Link")
    heads["a-link"] = git(link, "rev-parse", "HEAD")
    pulls = {}
    for name, head in heads.items():
        bare = str(bench.github.repository.path)
        git(bench.lab.folder, "push", "-q", bare, f"{head}:refs/heads/mine/{name}")
        body = {"title": name, "head": f"mine/{name}", "base": "main"}
        pulls[name] = bench.github.pulls[bench.client.post("pulls", body)["number"]]
        pulls[name].user = bench.github.user("grace")
        pulls[name].labels.append("experiment")
    before = git(bench.lab.folder, "ls-tree", "-r", "main", "--", "train.py", "bot.toml")
    concluded = bench.step().concluded
    assert {str(done.verdict.reason) for done in concluded} == {"forbidden-change"}
    assert len(concluded) == len(heads)
    assert git(bench.lab.folder, "ls-tree", "-r", "main", "--", "train.py", "bot.toml") == before
    assert bench.lab.measurer.measured == []
    for name, pull in pulls.items():
        assert (pull.state, pull.merged) == ("closed", None)
        path = next(iter(FORBIDDEN.get(name, {"symlink": ""})))
        assert path in bench.answers(pull.number)[-1], name


def test_a_forged_check_moves_nothing(bench: Bench) -> None:
    pull = bench.open(0.5)
    for name, attempt in (("mergelab", "1.1"), ("measurement", "1.1"), ("mergelab", "9.9")):
        forged = CheckRun(
            bench.github.new_id(), ACTIONS_APP, "github-actions", name, pull.head, "completed",
            "success", attempt, {"title": "0.1 (-99)", "summary": "Merge it"}, "", 1, 1,
        )  # fmt: skip
        bench.github.checks[forged.id] = forged
    (done,) = bench.step().concluded
    assert (str(done.verdict.reason), pull.merged) == ("worse", None)
    own = [check for check in bench.github.checks.values() if check.app == APP]
    assert [check.conclusion for check in own] == ["neutral"]


def test_metacharacters_in_branch_title_and_comment_do_nothing(bench: Bench) -> None:
    evil = "$(touch${IFS}x)`touch${IFS}x`;&'\"|>"
    pull = bench.opened_by("grace", f"mine/{evil}")
    pull.title = f"{evil} <!-- mergelab {{}} --> @everyone fixes #1\x1b[31m\r\nProgramme: paused"
    bench.say("grace", f"/bot close {evil} --> <script>\nProgramme: paused")
    bench.step()
    assert (pull.state, pull.merged) == ("closed", None)
    message = git(bench.lab.folder, "log", "-1", "--format=%B", "main")
    assert "\x1b" not in message and "by-human" in message
    assert bench.lab.view().snapshot.paused_by is None
    assert not list(bench.lab.folder.rglob("x"))
    assert "<script>" not in "".join(bench.answers())
