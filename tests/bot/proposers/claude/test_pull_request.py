"""From the model's answers to a pull request: real repository, real forge, real SDK."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.app import make_proposer
from bot.forge.base import Attempt, Author, PlannedRun, PullRequest
from bot.forge.git import GitForge
from bot.history import spending
from bot.history.cost import Cost
from bot.history.spending import CapReached
from bot.model import Hypothesis, Proposal, Purpose, Side
from bot.proposers.base import Context
from bot.proposers.portfolio import PORTFOLIO
from bot.proposing.background import curve
from bot.proposing.context import context
from bot.proposing.propose import NoProposal, open_proposal
from tests.bot.lab import TRAIN, Lab, git
from tests.bot.proposers.claude.server import KEY, Reply, Script, Usage, answer, call, error, text
from tests.bot.proposers.claude.test_happy_path import SUBMIT

SETTINGS = '[proposer]\nname = "claude"\n'
EDIT = {"path": "train.py", "old": "RATE = 1.0", "new": "RATE = 3.0"}
GOOD: list[Reply] = [answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT))]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path)


def make_lab(folder: Path, more: str = "") -> Lab:
    return Lab.build(folder / "project", settings=SETTINGS + more)


def propose(lab: Lab, script: Script, *replies: Reply) -> Any:
    script.replies = list(replies)
    proposer = make_proposer(lab.place.settings, print, PORTFOLIO)
    return open_proposal(lab.place, lab.view(), proposer, lambda: 1_700_000_000)


def test_a_proposal_becomes_a_pull_request_with_its_cost(lab: Lab, script: Script) -> None:
    pull = propose(lab, script, *GOOD)
    assert pull.title == "Double the rate"
    assert git(lab.folder, "show", f"{pull.head}:train.py") + "\n" == TRAIN.replace("1.0", "3.0")
    for words in (
        "**Falsified by.** No difference",
        "**Beliefs.**\n- new: The rate seems too low.",
        "**Cost of the proposal.** $0.01",
        "2 calls",
        "Proposed by `claude`",
    ):
        assert words in pull.body
    assert pull.record["proposer"] == "claude"
    cost = Cost.read(pull.record["cost"])
    assert cost.tokens == 2_400 and cost == spending.noted(lab.place.repository)


def test_what_refused_and_dropped_attempts_cost_is_in_the_pull_request(
    lab: Lab, script: Script
) -> None:
    dropped = [answer(text("Hm?"))] * 3  # ends three times without handing in
    pull = propose(lab, script, *dropped, *GOOD)
    assert Cost.read(pull.record["cost"]).calls == 5
    (one,) = pull.record["dropped"]
    assert "without handing in" in one["reason"] and one["cost"]["calls"] == 3
    assert spending.noted(lab.place.repository).calls == 5
    again = script.requests[3]["messages"][0]["content"][1]["text"]
    assert "without handing in" in again


def test_when_nothing_is_opened_the_cost_is_kept_with_its_reason(lab: Lab, script: Script) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    with pytest.raises(NoProposal, match=r"refused to go on \(cyber\).*Spent: \$0\.0080"):
        propose(lab, script, answer(text("no"), stop="refusal", stop_details=details))
    assert lab.place.forge.pulls() == ()
    assert spending.noted(lab.place.repository).calls == 1
    assert "refused to go on" in git(lab.folder, "log", "-1", "--format=%s", spending.REF)


def test_a_refused_key_is_no_cost_and_one_clear_message(lab: Lab, script: Script) -> None:
    with pytest.raises(NoProposal, match="Check ANTHROPIC_API_KEY"):
        propose(lab, script, error(401, "authentication_error", f"invalid {KEY}"))
    assert lab.place.repository.ref(spending.REF) is None
    assert len(script.requests) == 1


def test_an_interrupted_conversation_is_counted(
    lab: Lab, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.replies = [answer(call("check")), answer(call("check"))]
    told: list[str] = []

    def impatient(words: str) -> None:
        told.append(words)
        if "answer 3" in words:
            raise KeyboardInterrupt

    proposer = make_proposer(lab.place.settings, impatient, PORTFOLIO)
    with pytest.raises(KeyboardInterrupt):
        open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    assert spending.noted(lab.place.repository).calls == 3  # the third was being answered
    assert lab.place.forge.pulls() == ()


def test_a_cap_stops_the_second_proposal_before_it_costs_anything(
    tmp_path: Path, script: Script
) -> None:
    lab = make_lab(tmp_path, "[caps]\nmax_tokens = 100000\n[claude]\nmax_output_tokens = 4096\n")
    busy = Usage(39_000, 1_000)
    replies = [
        answer(call("edit", **EDIT), usage=busy), answer(call("submit", **SUBMIT), usage=Usage())
    ]  # fmt: skip
    pull = propose(lab, script, *replies)
    assert pull.number == 1
    asked = len(script.requests)
    with pytest.raises(CapReached, match=r"cap of bot\.toml"):
        propose(lab, script, answer(call("check"), usage=busy))
    assert len(script.requests) <= asked + 1
    assert spending.noted(lab.place.repository).tokens <= 100_000


def test_a_cap_of_experiments_counts_open_ones(tmp_path: Path, script: Script) -> None:
    lab = make_lab(tmp_path, "[caps]\nmax_experiments = 1\n")
    propose(lab, script, *GOOD)
    with pytest.raises(CapReached, match=r"caps\.max_experiments = 1 is reached"):
        propose(lab, script, *GOOD)
    assert len(script.requests) == 2


def test_remarks_come_from_people_who_may_write_and_from_nobody_else(
    lab: Lab, script: Script
) -> None:
    pull = propose(lab, script, *GOOD)
    forge = lab.place.forge
    person = lab.place.repository.identity()
    forge.comment(pull.number, Author(person.name, person.email), "Try the width.")
    forge.comment(pull.number, Author("Mergelab", "m@x", is_bot=True), "I am the bot.")
    remarks = context(lab.place, lab.view()).remarks
    assert [(one.number, one.text) for one in remarks] == [(pull.number, "Try the width.")]


@dataclass
class Leaky:
    """Hands out a proposal that repeats secrets."""

    files: dict[str, bytes]
    name: str = "leaky"
    refused: list[str] = field(default_factory=list)

    def propose(self, context: Context) -> Proposal:
        self.refused = list(context.refused)
        files = self.files if not self.refused else {"train.py": TRAIN.replace("1.0", "2").encode()}
        return Proposal(Hypothesis("Try it", f"The key is {KEY}"), files, self.name, notes=KEY)


def test_no_secret_reaches_a_pull_request_whatever_a_proposer_says(
    lab: Lab, script: Script
) -> None:
    proposer = Leaky({"train.py": f"{TRAIN}\nx = '{KEY}'\n".encode()})
    pull = open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    assert "looks like a credential" in proposer.refused[0]
    everything = git(lab.folder, "log", "--all", "-p", "--format=%B") + repr(pull)
    assert KEY not in everything
    assert "[redacted]" in pull.body


def test_sealed_numbers_stay_out_of_curves(lab: Lab, script: Script) -> None:
    pull = propose(lab, script, *GOOD)
    forge = lab.place.forge
    assert isinstance(forge, GitForge)

    @dataclass
    class WithSealed:
        """The forge, with a sealed measurement and one of an audit planted in it."""

        def pull(self, number: int) -> PullRequest:
            result = {"split": "validation", "curve": [[1.0, 2.5]]}
            sealed = {**result, "split": "sealed", "curve": [[1.0, 0.123456]]}
            runs = tuple(
                PlannedRun(Side.CANDIDATE, "t", seed, purpose)
                for seed, purpose in enumerate([Purpose.TEST, Purpose.AUDIT, Purpose.TEST])
            )
            results = {0: sealed, 1: {**result, "curve": [[1.0, 0.654321]]}, 2: result}
            attempt = Attempt("1.1", "b", "h", "t", runs, results)
            return replace(forge.pull(number), attempts=(attempt,))

    assert list(curve(WithSealed(), pull.number)) == [(1.0, 2.5)]  # type: ignore[arg-type]
