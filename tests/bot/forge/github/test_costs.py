"""What proposals cost survives a clone that lives for one step only."""

from __future__ import annotations

import dataclasses

import pytest

from bot.forge.base import Conflict
from bot.git import Create, Delete, Identity
from bot.history import spending
from bot.history.cost import Cost
from bot.proposing import kept
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.forge.hub import propose

WHO = Identity("Bot", "bot@example.org")
SOME = Cost(usd=0.25, input_tokens=100, calls=1)


def test_costs_of_dropped_proposals_are_known_to_the_next_clone(on_github: GitHubHub) -> None:
    repository = on_github.repository
    spending.share(repository, on_github.forge.own_refs, WHO, 1)
    assert on_github.forge.own_refs.elsewhere(spending.REF) is None
    spending.note(repository, SOME, "dropped: no idea", who=WHO, when=1)
    spending.share(repository, on_github.forge.own_refs, WHO, 2)
    there = on_github.forge.own_refs.elsewhere(spending.REF)
    assert there == repository.ref(spending.REF)
    repository.update_refs([Delete(spending.REF, there or "")], "a fresh clone")
    spending.share(repository, on_github.forge.own_refs, WHO, 3)
    assert spending.noted(repository) == SOME
    spending.note(repository, SOME, "dropped: again", who=WHO, when=4)
    spending.share(repository, on_github.forge.own_refs, WHO, 5)
    assert on_github.forge.own_refs.elsewhere(spending.REF) == repository.ref(spending.REF) != there


def test_a_proposal_on_its_way_is_known_to_the_next_clone(on_github: GitHubHub) -> None:
    repository, forge = on_github.repository, on_github.forge
    ref, commit = f"{kept.PREFIX}1-abc", on_github.commit({"a": b"1"}, forge.base())
    repository.update_refs([Create(ref, commit)], "kept")
    forge.own_refs.publish(ref, old=None, new=commit)
    assert repository.ref(ref) is None, "it is in one place, as in a clone that never had it"
    fresh = on_github.another_bot()
    fresh.recover()
    assert fresh.own_refs.below(kept.PREFIX) == {ref: commit}
    fresh.own_refs.publish(ref, old=commit, new=None)
    assert fresh.own_refs.below(kept.PREFIX) == {} and forge.own_refs.elsewhere(ref) is None
    with pytest.raises(Conflict, match="Another bot"):
        forge.open(dataclasses.replace(propose(on_github), instead_of=(ref, commit)))
    assert forge.pulls() == ()
