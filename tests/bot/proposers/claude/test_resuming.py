"""A conversation outlives its process: the next one goes on, and pays at most one call again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.app import make_proposer
from bot.git import Create, GitFailed, Update
from bot.history import spending
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal
from bot.proposers.account import Left
from bot.proposers.base import Context, PhaseGrant, ProposalFailed, Revision
from bot.proposers.claude.proposer import NoKey, PriceUnknown
from bot.proposers.portfolio import PORTFOLIO
from bot.proposing import claims, conversations, kept
from bot.proposing.asking import ask
from bot.proposing.journal import ABOUT, PREFIX, purpose
from bot.proposing.propose import Drafting
from tests.bot.lab import TRAIN, Lab, git
from tests.bot.proposers.claude.conftest import make_context
from tests.bot.proposers.claude.server import (
    Handler,
    Reply,
    Script,
    Usage,
    answer,
    call,
    error,
    text,
    thinking,
)
from tests.bot.proposers.claude.test_happy_path import SUBMIT

SETTINGS = '[proposer]\nname = "claude"\n'
EDIT = {"path": "train.py", "old": "RATE = 1.0", "new": "RATE = 3.0"}
WIDER = {"path": "train.py", "old": "print(RATE)", "new": "print(RATE, flush=True)"}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": "a"}}
HIT = {
    "type": "web_search_result",
    "url": "https://arxiv.org/abs/1",
    "title": "Rates",
    "encrypted_content": "b3BhcXVl",
    "page_age": None,
}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [HIT]}
LEFT = "unfinished conversation cannot be gone on with"


def conversation() -> list[Reply]:
    """Answers of every kind that has to go back as it came: thinking, a search, calls, a pause."""
    return [
        answer(thinking("deep"), text("I look."), SEARCH, FOUND, call("edit", **EDIT)),
        answer(text("I go on."), stop="pause_turn"),
        answer(call("edit", **WIDER), call("edit", path="train.py", old="nowhere", new="")),
        answer(thinking("done"), call("submit", **SUBMIT), usage=Usage(2_000, 300)),
    ]


N = len(conversation())
PAID = 4 * 1_000 + 1_000 + 3 * 200 + 300  # tokens


class Killed(BaseException):
    """The process is gone at this instant: nothing that it would do afterwards is done."""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project", settings=SETTINGS)


def told(lab: Lab) -> Context:
    return Drafting(lab.place, lambda: 7).told(lab.view())


def proposes(
    lab: Lab, script: Script, *replies: Reply, context: Context | None = None, said: Any = print
) -> Proposal:
    """This process asks, and is answered so."""
    script.replies = list(replies)
    proposer = make_proposer(lab.place.settings, said, PORTFOLIO)
    return ask(lab.place, proposer, context or told(lab), 7)


def dies(lab: Lab, script: Script, *replies: Reply, context: Context | None = None) -> None:
    """A process asks, is answered so, and is killed while the next answer comes."""
    last = f"answer {len(script.requests) + len(replies) + 1}:"

    def said(words: str) -> None:
        if words.startswith(last):
            raise Killed

    with pytest.MonkeyPatch.context() as patched:
        dead = claims.own().model_copy(update={"born": "before"})
        patched.setattr(claims, "own", lambda: dead)
        patched.setattr("bot.proposing.asking._Notes.write", lambda *_, **__: None)
        patched.setattr("bot.proposing.asking._Notes.share", lambda _: None)
        with pytest.raises(Killed):
            proposes(lab, script, *replies, answer(text("Lost.")), context=context, said=said)
    assert len(waiting(lab)) == 1


def waiting(lab: Lab) -> list[str]:
    return sorted(lab.place.forge.own_refs.below(PREFIX))


def body(request: dict[str, Any]) -> str:
    return json.dumps(request, sort_keys=True)


PROCESS = """
    from pathlib import Path
    from bot.app import make_proposer
    from bot.proposing.asking import ask
    from bot.proposing.propose import Drafting
    from tests.bot.lab import Lab

    lab = Lab.at(Path(FOLDER), SETTINGS)
    told = Drafting(lab.place, lambda: 7).told(lab.view())
    ask(lab.place, make_proposer(lab.place.settings, print, "portfolio"), told, 7)
"""


def another_process(lab: Lab) -> subprocess.Popen[bytes]:
    """A real process that asks for the same."""
    program = textwrap.dedent(PROCESS)
    program = program.replace("FOLDER", repr(str(lab.folder))).replace("SETTINGS", repr(SETTINGS))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    return subprocess.Popen([sys.executable, "-c", program], env=environment)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "answers", [pytest.param(count, marks=[] if count == 2 else SLOW) for count in range(N)]
)
def test_a_process_killed_after_any_answer_is_paid_for_the_call_in_flight_alone(
    lab: Lab, script: Script, answers: int
) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def kill(handler: Handler, request: dict[str, Any]) -> None:
        os.kill(processes[0].pid, signal.SIGKILL)

    before, after = conversation()[:answers], conversation()[answers:]
    script.replies = [*before, kill]
    processes.append(another_process(lab))
    assert processes[0].wait(60) == -signal.SIGKILL
    assert spending.noted(lab.place.repository).calls == answers
    proposal = proposes(lab, script, *after)
    assert len(script.requests) == N + 1
    if answers:
        assert body(script.requests[answers]) == body(script.requests[answers + 1])
    assert b"RATE = 3.0" in proposal.files["train.py"]
    assert b"flush=True" in proposal.files["train.py"]
    noted = spending.noted(lab.place.repository)
    assert noted == proposal.cost and (noted.calls, noted.tokens) == (N, PAID)
    assert waiting(lab) == [] and len(lab.place.forge.own_refs.below(kept.PREFIX)) == 1


def test_two_processes_do_not_go_on_with_the_same_conversation(lab: Lab, script: Script) -> None:
    """One is in the middle of it; the other has one of its own until the first is killed."""
    reached, go = threading.Event(), threading.Event()

    def hang(handler: Handler, request: dict[str, Any]) -> None:
        reached.set()
        go.wait(60)

    script.replies = [answer(call("edit", **EDIT)), hang, *conversation()]
    process = another_process(lab)
    assert reached.wait(60)
    (theirs,) = waiting(lab)
    script.replies = conversation()
    proposes(lab, script, *conversation())
    assert waiting(lab) == [theirs] and len(script.requests) == 2 + N
    process.kill()
    process.wait(60)
    go.set()
    proposes(lab, script, answer(call("submit", **SUBMIT)))
    assert waiting(lab) == [] and len(script.requests) == 2 + N + 1
    assert spending.noted(lab.place.repository).calls == N + 2


def test_of_two_that_find_it_one_goes_on(lab: Lab, script: Script) -> None:
    dies(lab, script, answer(call("edit", **EDIT)))
    context = told(lab)
    first, second = (conversations.begin(lab.place, context) for _ in range(2))
    assert (first.proposer, second.proposer) == ("claude", "")
    assert first.ref != second.ref and waiting(lab) == [first.ref]


def test_whoever_lost_it_notes_what_it_paid_and_ends(
    lab: Lab, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(handler: Handler, request: dict[str, Any]) -> None:
        (ref,) = waiting(lab)
        repository = lab.place.repository
        at, base = repository.ref(ref) or "", lab.place.forge.base()
        repository.update_refs([Update(ref, base, at)], "another process claims it")
        answer(call("check"))(handler, request)

    with pytest.raises(ProposalFailed, match="another bot goes on"):
        proposes(lab, script, answer(call("edit", **EDIT)), taken, *conversation())
    assert len(script.requests) == 2
    assert spending.noted(lab.place.repository).calls == 2
    assert len(waiting(lab)) == 1


def test_ctrl_c_leaves_it_to_the_next_step(lab: Lab, script: Script) -> None:
    def impatient(words: str) -> None:
        if words.startswith("answer 3:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        proposes(lab, script, *conversation(), said=impatient)
    proposal = proposes(lab, script, *conversation()[2:])
    assert len(script.requests) == N + 1
    # The one that was being answered is paid for, and counted.
    assert spending.noted(lab.place.repository) == proposal.cost
    assert proposal.cost.calls == N + 1


def test_trouble_on_the_line_leaves_it_for_later(lab: Lab, script: Script) -> None:
    busy = error(529, "overloaded_error")
    with pytest.raises(ProposalFailed) as failed:
        make = make_proposer(lab.place.settings, print, "claude")
        make._sleep = lambda _: None  # type: ignore[attr-defined]
        script.replies = [*conversation()[:2], busy]
        ask(lab.place, make, told(lab), 7)
    assert failed.value.passing and len(waiting(lab)) == 1
    del script.requests[:]
    proposal = proposes(lab, script, *conversation()[2:])
    assert len(script.requests) == N - 2
    assert spending.noted(lab.place.repository) == proposal.cost
    assert waiting(lab) == []


@pytest.mark.parametrize(
    "trouble",
    [
        error(401, "authentication_error", "invalid x-api-key"),
        error(400, "invalid_request_error", "Your credit balance is too low"),
    ],
)
def test_a_refused_key_or_no_credit_leaves_it_for_later(
    lab: Lab, script: Script, trouble: Reply
) -> None:
    with pytest.raises(ProposalFailed) as failed:
        proposes(lab, script, *conversation()[:2], trouble)
    assert failed.value.later and len(waiting(lab)) == 1
    del script.requests[:]
    proposal = proposes(lab, script, *conversation()[2:])
    assert len(script.requests) == N - 2
    assert spending.noted(lab.place.repository) == proposal.cost


@pytest.mark.parametrize("missing", ["key", "price"])
def test_what_it_cost_is_not_forgotten_where_a_person_has_to_put_something_right(
    lab: Lab, script: Script, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    dies(lab, script, *conversation()[:2])
    paid = spending.noted(lab.place.repository)
    with monkeypatch.context() as patched:
        if missing == "key":
            patched.delenv("ANTHROPIC_API_KEY")
        else:
            patched.setattr("bot.proposers.claude.proposer.price_of", lambda *_: None)
        context = replace(told(lab), left=Left(usd=5.0))
        with pytest.raises((NoKey, PriceUnknown)):
            proposes(lab, script, context=context)
    (ref,) = waiting(lab)
    about = json.loads(lab.place.repository.read_file(ref, ABOUT) or b"")
    assert Cost.read(about["cost"]) == paid and paid.calls == 2
    proposal = proposes(lab, script, *conversation()[2:])
    assert proposal.cost == spending.noted(lab.place.repository) and proposal.cost.calls == N


def test_it_waits_while_another_proposer_is_asked(lab: Lab, script: Script) -> None:
    before = lab.place.forge.base()
    dies(lab, script, *conversation()[:2])
    (lab.folder / "scratchpad.md").write_text("# Scratchpad\nA verdict.\n")
    git(lab.folder, "commit", "-qam", "A verdict")
    other = Lab.at(lab.folder, '[proposer]\nname = "search"\n')
    asked = told(other)
    assert asked.base == lab.place.forge.base() != before
    begun = conversations.begin(other.place, replace(asked, base=before))
    assert begun.proposer == "" and begun.ref not in waiting(lab)
    proposal = proposes(lab, script, *conversation()[2:])
    assert proposal.cost.calls == N


def test_another_proposer_drops_one_about_what_is_not_so_any_more(lab: Lab, script: Script) -> None:
    dies(lab, script, answer(call("edit", **EDIT)))
    (lab.folder / "train.py").write_text(TRAIN + "print('merged meanwhile')\n")
    git(lab.folder, "commit", "-qam", "A winner")
    other = Lab.at(lab.folder, '[proposer]\nname = "search"\n')
    conversations.begin(other.place, told(other))
    assert waiting(lab) == []


def test_what_came_to_nothing_is_not_gone_on_with(lab: Lab, script: Script) -> None:
    with pytest.raises(ProposalFailed, match="without handing in"):
        proposes(lab, script, answer(call("check")), answer(text("Hm.")))
    assert waiting(lab) == []
    assert spending.noted(lab.place.repository).calls == 4


def test_its_bounds_go_on_as_well(lab: Lab, script: Script) -> None:
    wrong = [call("edit", path="train.py", old="nowhere", new="") for _ in range(10)]
    dies(lab, script, answer(*wrong))
    with pytest.raises(ProposalFailed, match="more than 10 tool calls"):
        proposes(lab, script, answer(wrong[0]))


# ---------------------------------------------------------------------------------------------
# what it is for


def test_an_entry_of_the_ledger_does_not_end_it(lab: Lab, script: Script) -> None:
    before = lab.place.forge.base()
    dies(lab, script, *conversation()[:2])
    (lab.folder / "scratchpad.md").write_text("# Scratchpad\nA verdict.\n")
    git(lab.folder, "commit", "-qam", "A verdict")
    context = told(lab)
    assert context.base == before != lab.place.forge.base()
    proposes(lab, script, *conversation()[2:], context=context)
    assert len(script.requests) == N + 1
    (found,) = kept.waiting(lab.place)
    assert found.base == before


def test_one_about_what_is_not_so_any_more_is_dropped_and_stays_counted(
    lab: Lab, script: Script
) -> None:
    dies(lab, script, answer(call("edit", **EDIT)))
    (lab.folder / "train.py").write_text(TRAIN + "print('merged meanwhile')\n")
    git(lab.folder, "commit", "-qam", "A winner")
    proposal = proposes(lab, script, *conversation())
    assert waiting(lab) == [] and proposal.cost.calls == N
    assert spending.noted(lab.place.repository).calls == N + 1


def test_one_that_began_on_commits_that_are_gone_is_dropped(lab: Lab, script: Script) -> None:
    (lab.folder / "scratchpad.md").write_text("# Scratchpad\nA verdict.\n")
    git(lab.folder, "commit", "-qam", "A verdict")
    dies(lab, script, answer(call("edit", **EDIT)))
    git(lab.folder, "reset", "-q", "--hard", "HEAD~1")
    assert conversations.tidy(lab.place, lab.place.forge.base(), ()) == ()
    assert waiting(lab) == []


def test_a_revision_goes_on_for_its_own_request_alone(lab: Lab, script: Script) -> None:
    files = {"train.py": TRAIN.replace("1.0", "2.0").encode()}
    asked = Revision(4, Hypothesis("Try it", "Because."), files, "NameError, line 3")
    edit = {**EDIT, "old": "RATE = 2.0"}
    context = replace(told(lab), revision=asked)
    dies(lab, script, answer(call("edit", **edit)), context=context)
    other = replace(context, revision=replace(asked, number=5))
    assert conversations.begin(lab.place, other).proposer == ""
    assert conversations.begin(lab.place, told(lab)).proposer == ""
    assert (
        conversations.tidy(lab.place, lab.place.forge.base(), {4}) == () and len(waiting(lab)) == 1
    )
    proposal = proposes(lab, script, answer(call("submit", **SUBMIT)), context=context)
    assert b"RATE = 3.0" in proposal.files["train.py"] and len(script.requests) == 3


def test_the_revision_of_an_experiment_that_is_closed_is_dropped(lab: Lab, script: Script) -> None:
    asked = Revision(4, Hypothesis("Try it", "Because."), {"train.py": TRAIN.encode()}, "TypeError")
    dies(lab, script, answer(call("check")), context=replace(told(lab), revision=asked))
    assert conversations.tidy(lab.place, lab.place.forge.base(), {5}) == ()
    assert waiting(lab) == []


# ---------------------------------------------------------------------------------------------
# what is kept of it


def test_nothing_is_kept_that_looks_like_a_secret(
    lab: Lab, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", 'planted "secret" value')
    dies(lab, script, answer(call("check")), answer(text('It is planted "secret" value.')))
    objects = ["git", "cat-file", "--batch-all-objects", "--batch"]
    written = subprocess.run(objects, cwd=lab.folder, capture_output=True, check=True).stdout
    assert b"message" in written and b"planted" not in written
    # What was kept before it is gone on with.
    proposes(lab, script, *conversation())
    assert len(script.requests) == 3 + N


def test_a_longer_one_than_may_be_is_not_kept_any_further(
    lab: Lab, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.proposing.journal.MOST_BYTES", 20_000)
    long = answer(text("word " * 5_000))
    dies(lab, script, answer(call("check")), long)
    files = git(lab.folder, "ls-tree", "--name-only", waiting(lab)[0]).split()
    assert files.count("message-0003.json") == 0 and "message-0002.json" in files


def test_what_cannot_be_kept_ends_nothing(lab: Lab, script: Script) -> None:
    with pytest.raises(ProposalFailed, match="max_proposal_tokens"):
        proposes(lab, script, answer(call("check"), usage=Usage(2 * 10**9)))
    assert waiting(lab) == []


def commit_of(lab: Lab, files: dict[str, bytes]) -> str:
    repository = lab.place.repository
    blobs = {name: ("100644", repository.write_blob(data)) for name, data in files.items()}
    return repository.commit_tree(repository.write_tree(blobs), [], "?", repository.identity(), 1)


def damage(lab: Lab, file: str, change: Callable[[Any], Any]) -> None:
    """Somebody writes something else into what is kept."""
    (ref,) = waiting(lab)
    repository = lab.place.repository
    at = repository.ref(ref) or ""
    data = json.loads(repository.read_file(at, file) or b"null")
    changed = change(data)
    new = changed if isinstance(changed, bytes) or changed is None else json.dumps(changed).encode()
    tree = repository.tree_with(at, {file: new})
    commit = repository.commit_tree(tree, [], "?", repository.identity(), 1)
    repository.update_refs([Update(ref, commit, at)], "damage")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("state.json", lambda _: b"\xff{"),
        ("state.json", lambda data: {**data, "form": "another model"}),
        ("state.json", lambda data: {**data, "files": {"../x": "import os"}}),
    ],
)
def test_one_that_is_damaged_is_one_message_and_a_fresh_start(
    lab: Lab, script: Script, file: str, change: Callable[[Any], Any]
) -> None:
    dies(lab, script, answer(call("edit", **EDIT)))
    damage(lab, file, change)
    said: list[str] = []
    proposal = proposes(lab, script, *conversation(), said=said.append)
    assert len([words for words in said if LEFT in words]) == 1
    assert len(script.requests) == 2 + N
    assert len(script.requests[2]["messages"]) == 1
    assert waiting(lab) == [] and b"flush" in proposal.files["train.py"]
    # The pull request answers for what was paid before, too.
    assert spending.noted(lab.place.repository) == proposal.cost


def test_one_that_has_lost_a_part_is_one_message_and_a_fresh_start(
    lab: Lab, script: Script
) -> None:
    dies(lab, script, answer(call("edit", **EDIT)))
    part = git(lab.folder, "rev-parse", f"{waiting(lab)[0]}:message-0001.json").strip()
    (lab.folder / ".git/objects" / part[:2] / part[2:]).unlink()
    said: list[str] = []
    proposal = proposes(lab, script, *conversation(), said=said.append)
    assert len([words for words in said if LEFT in words]) == 1
    assert waiting(lab) == [] and spending.noted(lab.place.repository) == proposal.cost


def test_one_that_git_cannot_claim_keeps_nobody_from_beginning_anew(
    lab: Lab, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies(lab, script, answer(call("edit", **EDIT)))
    ours = told(lab)

    def fails(*_: object) -> str:
        raise GitFailed("commit-tree", 128, "no space left on device", lab.folder)

    monkeypatch.setattr("bot.proposing.journal.Journal._commit", fails)
    assert conversations.begin(lab.place, ours).proposer == ""
    assert len(waiting(lab)) == 1


def test_one_that_the_interface_does_not_take_is_begun_anew(lab: Lab, script: Script) -> None:
    dies(lab, script, answer(call("edit", **EDIT)))
    refused = error(400, "invalid_request_error", "tool_use without tool_result")
    said: list[str] = []
    proposes(lab, script, refused, *conversation(), said=said.append)
    assert len([words for words in said if LEFT in words]) == 1
    assert len(script.requests) == 2 + 1 + N


def test_a_ref_that_is_no_conversation_is_said_once_and_removed(lab: Lab, script: Script) -> None:
    dies(lab, script, answer(call("edit", **EDIT)))
    (ref,) = waiting(lab)
    repository = lab.place.repository
    sound = json.loads(repository.read_file(ref, ABOUT) or b"")
    wrong: list[bytes] = [b"{", b"", b"[" * 100_000, b"\xff"]
    for key, value in {
        "version": 2,
        "parts": ["../../etc/passwd"],
        "base": "--output=x",
        "claim": {"host": 1},
        "purpose": None,
    }.items():
        wrong.append(json.dumps({**sound, key: value}).encode())
    for number, data in enumerate(wrong):
        commit = commit_of(lab, {ABOUT: data})
        repository.update_refs([Create(f"{PREFIX}9-{number}", commit)], "damage")
    repository.update_refs([Create(f"{PREFIX}9-blob", repository.write_blob(b"x"))], "damage")
    assert conversations.begin(lab.place, told(lab)).ref == ref
    said = conversations.tidy(lab.place, lab.place.forge.base(), ())
    assert len(said) == len(wrong) + 1 and all("is damaged" in words for words in said)
    assert waiting(lab) == [ref] and conversations.tidy(lab.place, lab.place.forge.base(), ()) == ()


def test_another_programme_phase_or_grant_is_another_request() -> None:
    plain = make_context()
    assert purpose(plain) == purpose(make_context(scratchpad="Other.", ahead=2, base="a" * 40))
    others = [
        make_context(program="Another wish."),
        make_context(phase=PhaseGrant("moonshot")),
        make_context(phase=PhaseGrant(web_domains=("arxiv.org",))),
        make_context(phase=PhaseGrant(tools=frozenset({"view", "edit"}))),
        make_context(phase=PhaseGrant(model="claude-haiku-5-5")),
    ]
    assert len({purpose(one) for one in (plain, *others)}) == 1 + len(others)
