"""A conversation survives a clone that lives for one step only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.app import make_proposer
from bot.forge.github.own_refs import GitHubOwnRefs
from bot.history import spending
from bot.model import Proposal
from bot.proposers.base import Context, ProposalFailed
from bot.proposing import conversations, kept
from bot.proposing.asking import ask
from bot.proposing.journal import PREFIX
from bot.proposing.place import Place
from bot.settings import parse
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.proposers.claude.conftest import make_context
from tests.bot.proposers.claude.server import KEY, Handler, Reply, Server, answer, call, text
from tests.bot.proposers.claude.test_happy_path import EDIT, SUBMIT
from tests.github.state import GitHub

ANSWERS: list[Reply] = [
    answer(call("edit", **EDIT)),
    answer(call("check")),
    answer(call("submit", **SUBMIT)),
]
WORKFLOW = "o/r/.github/workflows/step.yml@refs/heads/main"


class Killed(BaseException):
    """The machine is gone at this instant."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    running = Server()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKFLOW_REF", WORKFLOW)
    yield running
    running.shutdown()
    running.server_close()


class Steps:
    """Steps of a workflow, each in a fresh clone."""

    def __init__(self, folder: Path, source: Path, github: GitHub, address: str) -> None:
        self.folder, self.source, self.github, self.address = folder, source, github, address
        self.count = 0

    def place(self, monkeypatch: pytest.MonkeyPatch) -> Place:
        self.count += 1
        monkeypatch.setenv("GITHUB_RUN_ID", str(self.count))
        clone = self.folder / f"clone-{self.count}"
        shutil.copytree(self.source, clone)
        hub = GitHubHub(clone, self.github, self.address)
        hub.forge.recover()
        place = Place(hub.repository, hub.forge, parse(b'[proposer]\nname = "claude"\n'))
        spending.share(place.repository, place.forge.own_refs, place.repository.identity(), 1)
        return place


@pytest.fixture
def steps(tmp_path: Path, fresh_repository: Path, github: GitHub, address: str) -> Steps:
    return Steps(tmp_path, fresh_repository, github, address)


def request(place: Place) -> Context:
    return make_context(base=place.forge.base())


def proposes(place: Place, server: Server, *replies: Reply, said: Any = print) -> Proposal:
    server.script.replies = list(replies)
    proposer = make_proposer(place.settings, said, "claude")
    return ask(place, proposer, request(place), 7)


def dies(place: Place, server: Server, answers: int) -> None:
    """The step's machine is gone after so many answers."""

    def gone(*_: Any, **__: Any) -> None:
        raise Killed

    def said(words: str) -> None:
        if words.startswith(f"answer {answers + 1}:"):
            raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bot.proposing.asking._Notes.write", gone)
        with pytest.raises(Killed):
            proposes(place, server, *ANSWERS[:answers], answer(text("Lost.")), said=said)


def waiting(place: Place) -> list[str]:
    return sorted(place.forge.own_refs.below(PREFIX))


@pytest.mark.parametrize("answers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_next_step_goes_on_in_its_own_clone(
    steps: Steps, server: Server, monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    dies(steps.place(monkeypatch), server, answers)
    second = steps.place(monkeypatch)
    assert len(waiting(second)) == 1
    proposal = proposes(second, server, *ANSWERS[answers:])
    assert len(server.script.requests) == len(ANSWERS) + 1
    third = steps.place(monkeypatch)
    assert waiting(third) == [] and len(third.forge.own_refs.below(kept.PREFIX)) == 1
    assert spending.noted(third.repository) == proposal.cost
    assert proposal.cost.calls == len(ANSWERS)


def killed_before_the_second_answer_is_shared(place: Place, server: Server) -> None:
    done: list[str] = []
    publish = GitHubOwnRefs.publish

    def second_time(self: GitHubOwnRefs, ref: str, **more: Any) -> None:
        done.append(ref)
        if len([one for one in done if one.startswith(PREFIX)]) > 1:
            raise Killed
        publish(self, ref, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(GitHubOwnRefs, "publish", second_time)
        patched.setattr("bot.proposing.asking._Notes.write", lambda *_, **__: None)
        with pytest.raises(Killed):
            proposes(place, server, *ANSWERS)


@pytest.mark.slow
def test_killed_before_an_answer_was_shared_that_answer_is_lost_alone(
    steps: Steps, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = steps.place(monkeypatch)
    killed_before_the_second_answer_is_shared(first, server)
    proposal = proposes(steps.place(monkeypatch), server, *ANSWERS[1:])
    assert len(server.script.requests) == len(ANSWERS) + 1
    noted = spending.noted(steps.place(monkeypatch).repository)
    assert proposal.cost.calls == len(ANSWERS) and noted.calls == len(ANSWERS) + 1


@pytest.mark.parametrize("finished", [False, True])
def test_a_copy_that_another_clone_went_on_from_is_dropped(
    steps: Steps, server: Server, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    first = steps.place(monkeypatch)
    killed_before_the_second_answer_is_shared(first, server)
    second = steps.place(monkeypatch)
    (ref,) = waiting(second)
    if finished:
        proposes(second, server, *ANSWERS[1:])
    else:
        dies(second, server, 1)  # while it goes on
    theirs = second.forge.own_refs.elsewhere(ref)
    assert first.repository.ref(ref) is not None and (theirs is None) == finished
    monkeypatch.setenv("GITHUB_RUN_ID", "9")  # the first machine is there again
    begun = conversations.begin(first, request(first))
    assert begun.proposer == "" and begun.ref != ref
    assert first.forge.own_refs.elsewhere(ref) == theirs and first.repository.ref(ref) is None


@pytest.mark.slow
def test_a_machine_elsewhere_has_a_conversation_of_its_own(
    steps: Steps, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies(steps.place(monkeypatch), server, 1)
    monkeypatch.setenv("GITHUB_ACTIONS", "")
    place = steps.place(monkeypatch)
    (theirs,) = waiting(place)
    proposes(place, server, *ANSWERS)
    assert waiting(place) == [theirs]
    assert len(server.script.requests) == 2 + len(ANSWERS)


def test_of_two_clones_that_claim_it_at_once_one_goes_on(
    steps: Steps, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies(steps.place(monkeypatch), server, 1)
    first, second = steps.place(monkeypatch), steps.place(monkeypatch)  # both have seen it free
    proposal = proposes(first, server, *ANSWERS[1:])
    assert proposal.cost.calls == len(ANSWERS)
    proposes(second, server, *ANSWERS)
    assert len(server.script.requests) == 2 + 2 + len(ANSWERS)
    assert waiting(steps.place(monkeypatch)) == []


def test_whoever_loses_it_hears_of_it_with_the_next_answer(
    steps: Steps, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = steps.place(monkeypatch)
    taken: list[Place] = []

    def take(handler: Handler, sent: dict[str, Any]) -> None:
        taken.append(steps.place(monkeypatch))
        (ref,) = waiting(taken[0])
        at = taken[0].forge.own_refs.below(PREFIX)[ref]
        base = taken[0].forge.base()
        taken[0].forge.own_refs.publish(ref, old=at, new=base)
        answer(call("check"))(handler, sent)

    with pytest.raises(ProposalFailed, match="another bot goes on"):
        proposes(first, server, ANSWERS[0], take, *ANSWERS[1:])
    assert len(server.script.requests) == 2
    assert first.repository.ref(waiting(taken[0])[0]) is None
    assert spending.noted(steps.place(monkeypatch).repository).calls == 2
