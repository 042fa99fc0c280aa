from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.history.cost import Cost
from bot.model import Direction, Hypothesis, Proposal
from bot.proposers.base import Context, NothingToPropose, PastExperiment, Proposer
from bot.proposers.portfolio import Portfolio, reviser, turns
from bot.settings import parse

SHARES = {"claude": 4, "search": 1}


def past(number: int, proposer: str) -> PastExperiment:
    return PastExperiment(number, "Try it", None, {}, None, None, None, proposer=proposer)


def context(*proposers: str, ahead: int = 0) -> Context:
    return Context(
        number=1,
        seed=0,
        files={"train.py": b""},
        entry="train.py",
        metric="loss",
        direction=Direction.LOWER,
        baseline=None,
        history=[past(number, name) for number, name in enumerate(proposers, 1)],
        ahead=ahead,
    )


@dataclass
class Named:
    name: str
    spent: Cost = field(default_factory=Cost)
    empty: bool = False

    def propose(self, context: Context) -> Proposal:
        if self.empty:
            raise NothingToPropose(f"{self.name} has no idea")
        self.spent = Cost(usd=1.0)
        return Proposal(Hypothesis("Try it", "Because."), {}, self.name)


def portfolio(shares: dict[str, int] = SHARES, empty: tuple[str, ...] = ()) -> Portfolio:
    def make(name: str) -> Proposer:
        return Named(name, empty=name in empty)

    return Portfolio(make, shares)


def test_four_of_the_model_to_one_of_search() -> None:
    made: list[str] = []
    for _ in range(10):
        made.append(portfolio().propose(context(*made)).proposer)
    assert made == ["claude"] * 4 + ["search"] + ["claude"] * 4 + ["search"]


@pytest.mark.parametrize(
    "shares", [{"claude": 4, "search": 2}, {"claude": 4, "search": 1, "command": 1}, {"search": 1}]
)
def test_each_makes_its_share_from_the_very_first_experiments(shares: dict[str, int]) -> None:
    made: list[str] = []
    for _ in range(3 * sum(shares.values())):
        made.append(turns(shares, made)[0])
    for begin in range(len(made) - sum(shares.values()) + 1):
        some = made[begin : begin + sum(shares.values())]
        assert {name: some.count(name) for name in shares} == shares


def test_whose_turn_it_is_follows_from_the_history_alone() -> None:
    assert portfolio().order(context(*["claude"] * 4))[0] == "search"
    assert portfolio().order(context(*["claude"] * 4))[0] == "search"


def test_an_unfinished_conversation_goes_on_with_whoever_began_it() -> None:
    begun: Any = SimpleNamespace(proposer="search")
    told = replace(context(), conversation=begun)
    assert portfolio().order(context()) == ("claude", "search")
    assert portfolio().order(told) == ("search", "claude")
    assert portfolio({"claude": 1}).order(told) == ("claude",)


def test_what_others_proposed_does_not_count() -> None:
    assert turns(SHARES, ["claude", "Ann", "claude", "audit", "claude", "claude"])[0] == "search"


def test_a_long_past_without_the_portfolio_does_not_starve_anybody() -> None:
    assert turns(SHARES, ["search"] * 50)[0] == "claude"
    assert turns(SHARES, ["claude"] * 50)[0] == "search"


def test_those_being_thought_of_just_now_have_had_their_turn() -> None:
    assert portfolio().order(context(*["claude"] * 3, ahead=1))[0] == "search"


def test_one_that_has_run_out_of_ideas_is_passed_over() -> None:
    assert portfolio(empty=("claude",)).propose(context()).proposer == "search"
    with pytest.raises(NothingToPropose, match="claude has no idea; search has no idea"):
        portfolio(empty=("claude", "search")).propose(context())


@pytest.mark.parametrize(
    ("shares", "author", "expected"),
    [
        ({"claude": 1, "command": 1}, "command", "command"),
        ({"claude": 1, "command": 1}, "search", "claude"),
        ({"search": 4, "claude": 1}, "search", "claude"),
        ({"search": 1}, "claude", "search"),
        ({"command": 1}, "Ann", "command"),
    ],
)
def test_an_experiment_is_revised_by_its_author_if_it_can(
    shares: dict[str, int], author: str, expected: str
) -> None:
    assert reviser(shares, author) == expected


def test_what_was_spent_is_that_of_the_proposer_that_was_asked() -> None:
    both = portfolio()
    assert both.spent == Cost()
    both.propose(context())
    assert both.spent == Cost(usd=1.0)


def test_bot_toml_names_the_shares() -> None:
    assert parse(b"[portfolio]\nclaude = 4\nsearch = 1\n").shares == SHARES
    assert parse(b"").shares == {"search": 1}
    assert parse(b'[proposer]\nname = "claude"\n').shares == {"claude": 1}


shares_of = st.dictionaries(
    st.sampled_from(["claude", "command", "search"]), st.integers(1, 9), min_size=1
)


@given(shares_of, st.lists(st.sampled_from(["claude", "command", "search", "Ann"]), max_size=60))
def test_every_round_has_each_share_whatever_came_before(
    shares: dict[str, int], before: list[str]
) -> None:
    made = list(before)
    total = sum(shares.values())
    for _ in range(2 * total):
        made.append(turns(shares, made)[0])
    last = made[-total:]
    assert {name: last.count(name) for name in shares} == shares
