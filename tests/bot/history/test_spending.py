from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.forge.base import Conflict
from bot.git import Create, Delete, Identity, Repository, Update
from bot.history import spending
from bot.history.cost import Cost
from bot.history.spending import REF, CapReached, Totals, left_under
from bot.proposers.account import Left
from bot.proposers.tables import CapsTable
from tests.bot.lab import git, make_repository

WHO = Identity("Bot", "bot@example.org")
SOME = Cost(usd=0.25, input_tokens=100, output_tokens=20, cache_read_tokens=5, calls=2)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(make_repository(tmp_path / "project"))


def test_notes_add_up_and_can_be_read_by_people(repository: Repository) -> None:
    assert spending.noted(repository) == Cost()
    spending.note(repository, SOME, "proposed: A\nnew line", who=WHO, when=1)
    spending.note(repository, SOME, "dropped: B", who=WHO, when=2)
    assert spending.noted(repository) == SOME + SOME
    log = git(repository.path, "log", "--format=%s", spending.REF)
    assert log.splitlines() == ["$0.2500: dropped: B", "$0.2500: proposed: A new line"]


def test_nothing_spent_leaves_no_trace(repository: Repository) -> None:
    spending.note(repository, Cost(), "search", who=WHO, when=1)
    assert repository.ref(spending.REF) is None


def test_a_note_of_somebody_else_in_between_is_not_lost(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Repository.commit_tree
    others = [SOME]

    def slow(self: Repository, *arguments: Any, **named: Any) -> str:
        commit = original(self, *arguments, **named)
        if others:
            spending.note(self, others.pop(), "another bot", who=WHO, when=3)
        return commit

    monkeypatch.setattr(Repository, "commit_tree", slow)
    spending.note(repository, SOME, "mine", who=WHO, when=2)
    assert spending.noted(repository) == SOME + SOME


def test_damaged_notes_stop_the_spending(repository: Repository) -> None:
    blob = repository.write_blob(b"not json")
    tree = repository.write_tree({"total.json": ("100644", blob)})
    commit = repository.commit_tree(tree, [], "broken", WHO, 1)
    git(repository.path, "update-ref", spending.REF, commit)
    with pytest.raises(CapReached, match="is damaged"):
        spending.noted(repository)


def test_a_clone_without_the_notes_counts_what_pull_requests_say(repository: Repository) -> None:
    assert spending.totals(repository, [], [SOME, SOME]).cost.usd == 0.5
    spending.note(repository, SOME, "x", who=WHO, when=1)
    assert spending.totals(repository, [], [SOME, SOME]).cost.usd == 0.5
    assert spending.totals(repository, [], [SOME]).cost == SOME


USED = Totals(Cost(usd=2.0, input_tokens=1_000), experiments=5, gpu_hours=1.5)


@pytest.mark.parametrize(
    "caps",
    [
        {"max_usd": 2.0}, {"max_usd": 0}, {"max_tokens": 1_000}, {"max_experiments": 5},
        {"max_gpu_hours": 1.5},
    ],
)  # fmt: skip
def test_a_cap_that_is_reached_stops_and_says_what_to_do(caps: dict[str, Any]) -> None:
    (key,) = caps
    with pytest.raises(CapReached, match=rf"caps\.{key} = .* is reached .* Raise caps\.{key}"):
        left_under(CapsTable(**caps), USED)


def test_what_is_left_is_told() -> None:
    caps = CapsTable(max_usd=3.0, max_tokens=1_500, max_experiments=6, max_gpu_hours=2)
    assert left_under(caps, USED) == Left(usd=1.0, tokens=500)
    assert left_under(CapsTable(), USED) == Left()


counts = st.integers(0, 10**9)
costs = st.builds(
    Cost, usd=st.floats(0, 1e6), input_tokens=counts, output_tokens=counts, calls=counts,
    web_searches=counts, priced=st.booleans(),
)  # fmt: skip


@given(costs)
def test_a_cost_survives_its_record(cost: Cost) -> None:
    from dataclasses import asdict

    assert Cost.read(json.loads(json.dumps(asdict(cost)))) == cost


@given(costs, costs)
def test_a_sum_with_an_unknown_price_is_not_priced(one: Cost, other: Cost) -> None:
    assert (one + other).priced == (one.priced and other.priced)
    assert (one + other).tokens == one.tokens + other.tokens


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["usd", "calls", "priced", "input_tokens", "x"]), inner
            )
        ),
    )
)
def test_a_damaged_record_is_never_cheaper_than_nothing(record: Any) -> None:
    cost = Cost.read(record)
    assert cost.usd >= 0 and cost.tokens >= 0


class Elsewhere:
    """The place that clones share: another repository's ref, or a race lost once."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.at: str | None = None
        self.in_between: str | None = None

    def elsewhere(self, ref: str) -> str | None:
        return self.at

    def below(self, prefix: str) -> dict[str, str]:
        return {REF: self.at} if self.at and REF.startswith(prefix) else {}

    def publish(
        self,
        ref: str,
        *,
        old: str | None,
        new: str | None,
        instead_of: tuple[str, str] | None = None,
    ) -> None:
        if self.in_between is not None:
            self.at, self.in_between = self.in_between, None
        if self.at != old:
            raise Conflict("Somebody else was first.")
        self.at = new


def noted_alone(repository: Repository, cost: Cost, *, on: str | None = None) -> str:
    """A note of a clone that knows only what `on` holds."""
    mine = repository.ref(REF)
    if mine:
        repository.update_refs([Delete(REF, mine)], "begin anew")
    if on:
        repository.update_refs([Create(REF, on)], "as in another clone")
    spending.note(repository, cost, "other", who=WHO, when=1)
    made = repository.ref(REF)
    assert made
    return made


def test_what_one_clone_has_noted_counts_in_the_next(repository: Repository) -> None:
    shared = Elsewhere(repository)
    spending.share(repository, shared, WHO, 1)
    assert shared.at is None and repository.ref(REF) is None
    spending.note(repository, SOME, "dropped", who=WHO, when=1)
    spending.share(repository, shared, WHO, 2)
    assert shared.at == repository.ref(REF)
    repository.update_refs([Delete(REF, shared.at or "")], "a fresh clone")
    spending.share(repository, shared, WHO, 3)
    assert spending.noted(repository) == SOME


def test_notes_of_two_clones_add_up_and_none_counts_twice(repository: Repository) -> None:
    shared = Elsewhere(repository)
    common = noted_alone(repository, SOME)
    shared.at = noted_alone(repository, SOME, on=common)
    noted_alone(repository, SOME + SOME, on=common)
    for _ in range(2):  # a second time changes nothing
        spending.share(repository, shared, WHO, 5)
        assert spending.noted(repository) == SOME + SOME + SOME + SOME
        assert shared.at == repository.ref(REF)


def test_every_clones_notes_say_whose_they_are_and_what_they_revised(
    repository: Repository,
) -> None:
    shared = Elsewhere(repository)
    spending.note(repository, SOME, "dropped: A", who=WHO, when=1, proposer="claude")
    common = repository.ref(REF)
    spending.note(repository, SOME, "in one clone", who=WHO, when=2, proposer="command")
    shared.at, mine = repository.ref(REF), repository.ref(REF)
    repository.update_refs([Update(REF, common or "", mine or "")], "another clone")
    asked: dict[str, Any] = {"who": WHO, "proposer": "claude", "experiment": 7}
    spending.note(repository, SOME, "revised: 5\n\nUsd: 99.0", when=3, **asked)
    spending.share(repository, shared, WHO, 4)
    assert spending.by_proposer(repository) == {"claude": 0.5, "command": 0.25}
    assert spending.revising(repository, 7) == 0.25


def test_a_lost_race_is_joined_again(repository: Repository) -> None:
    shared = Elsewhere(repository)
    shared.in_between = noted_alone(repository, SOME)
    noted_alone(repository, SOME + SOME)
    spending.share(repository, shared, WHO, 5)
    assert spending.noted(repository) == SOME + SOME + SOME
    assert shared.at == repository.ref(REF)
