"""The proposer `command` with real programs in the real sandbox."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Hypothesis, Reason
from bot.proposers.account import Left
from bot.proposers.base import PhaseGrant, ProposalFailed, Revision
from bot.proposers.command import CommandNotReady, CommandProposer
from bot.proposers.tables import CommandTable
from runner.sandbox.base import Ended, Job, Outcome
from tests.bot.proposers.claude.conftest import TRAIN, make_context
from tests.bot.proposers.claude.test_happy_path import past

SECRET = "correct-horse-battery-staple"
BETTER = TRAIN.replace("RATE = 1.0", "RATE = 2.0").encode()
STATED = {
    "title": "Double the rate",
    "rationale": "It is low.",
    "expected": "Lower.",
    "falsified_by": "No change.",
    "notes": "Rates matter.",
}
EDIT = "sed -i 's/RATE = 1.0/RATE = 2.0/' train.py"
STATE = f"printf '%s' '{json.dumps(STATED)}' > hypothesis.json"


def proposer(script: str, progress: list[str] | None = None, **table: Any) -> CommandProposer:
    """An agent that is a shell script."""
    values: dict[str, Any] = {"argv": ("/bin/sh", "-c", script), "timeout_s": 20, "memory_gb": 1}
    told = progress if progress is not None else []
    return CommandProposer(CommandTable(**{**values, **table}), progress=told.append)


def reason(script: str, **table: Any) -> str:
    with pytest.raises(ProposalFailed) as caught:
        proposer(script, **table).propose(make_context())
    return str(caught.value)


def test_an_agent_edits_the_copy_and_its_edit_is_read_back() -> None:
    progress: list[str] = []
    agent = proposer(f"echo working; {EDIT}; {STATE}", progress)
    proposal = agent.propose(make_context())
    assert proposal.files == {"train.py": BETTER}
    assert proposal.hypothesis == Hypothesis(
        "Double the rate", "It is low.", falsified_by="No change.", expected="Lower."
    )
    assert proposal.notes == "Rates matter."
    assert proposal.cost.calls == 1 and not proposal.cost.priced
    assert "working" in progress


def test_it_sees_the_task_the_files_and_the_history() -> None:
    context = make_context(history=[past(3, "7.0", Reason.WORSE, 3.0)], refused=["too like #3"])
    script = (
        "grep -q 'Lower the mean rank' TASK.md && grep -q 'too like #3' TASK.md"
        " && grep -q '+RATE = 7.0' history/00003.md && grep -q 'RATE = 1.0' train.py"
        f" && {EDIT} && {STATE}"
    )
    assert proposer(script).propose(context).files == {"train.py": BETTER}


def test_it_sees_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    top = Path(__file__).parents[3]
    script = (
        "env > seen; ls / >> seen; ls /tmp >> seen;"
        f" ls {top} /root /home 2>/dev/null >> seen;"
        f" cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' >> seen; {EDIT};"
        ' printf \'{"title": "t", "rationale": "%s"}\''
        " \"$(tr '\\n' ' ' < seen | tr -d '\"\\\\' | head -c 3000)\" > hypothesis.json"
    )
    seen = proposer(script).propose(make_context()).hypothesis.rationale
    assert "PATH=/usr/bin:/bin" in seen
    assert SECRET not in seen and "ANTHROPIC" not in seen
    assert "pyproject.toml" not in seen and ".venv" not in seen


def test_only_the_allowed_files_are_read_back(tmp_path: Path) -> None:
    script = f"echo x > bot.toml; mkdir -p .git; echo x > .git/config; {EDIT}; {STATE}"
    assert set(proposer(script).propose(make_context()).files) == {"train.py"}


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (f"{STATE}", "changes nothing"),
        (EDIT, "left no hypothesis.json"),
        (f"{EDIT}; echo nonsense > hypothesis.json", "not a JSON object"),
        (f"{EDIT}; echo '[]' > hypothesis.json", "not a JSON object"),
        (f"{EDIT}; echo '{{\"title\": 1}}' > hypothesis.json", "not a JSON object"),
        (f"{EDIT}; head -c 100000 /dev/zero > hypothesis.json", "not a JSON object"),
        (f"{EDIT}; {STATE}; exit 3", "ended with 3"),
        (f"{EDIT}; {STATE}; kill -9 $$", "ended with"),
        (f"echo 'def broken(:' > train.py; {STATE}", "does-not-parse"),
        (f"head -c 300000 /dev/zero | tr '\\0' x > train.py; {STATE}", "too-large"),
        (f"rm train.py; ln -s /etc/passwd train.py; {STATE}", "changes nothing"),
        (f"rm train.py; mkdir train.py; {STATE}", "changes nothing"),
        (f"rm train.py; mkfifo train.py; {STATE}", "changes nothing"),
    ],
)
def test_what_cannot_be_proposed_is_a_typed_failure(script: str, word: str) -> None:
    assert word in reason(script)


def test_its_time_is_bounded() -> None:
    assert "timed-out" in reason(f"{EDIT}; {STATE}; sleep 60", timeout_s=1)


def test_its_output_is_bounded() -> None:
    said = reason("yes 'x x x' | head -c 30000000; echo last words; exit 1")
    assert said.endswith("its last words: last words")


def test_it_cannot_fill_the_disk() -> None:
    assert "ended" in reason(f"head -c 3000000000 /dev/zero > big || exit 5; {EDIT}; {STATE}")


def test_a_named_credential_is_handed_over_and_comes_back_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENT_LOGIN", SECRET)
    progress: list[str] = []
    script = (
        f'test "$AGENT_LOGIN" = {SECRET} || exit 9; echo "log in with $AGENT_LOGIN"; {EDIT};'
        ' echo "{\\"title\\": \\"t\\", \\"rationale\\": \\"I used $AGENT_LOGIN\\"}"'
        " > hypothesis.json"
    )
    agent = proposer(script, progress, credentials=("AGENT_LOGIN",))
    proposal = agent.propose(make_context())
    assert proposal.hypothesis.rationale == "I used [redacted]"
    assert SECRET not in "".join(progress) + repr(proposal)

    leak = f'{EDIT}; echo "# $AGENT_LOGIN" >> train.py; {STATE}'
    said = reason(leak, credentials=("AGENT_LOGIN",))
    assert "looks like a credential" in said and SECRET not in said
    said = reason("echo failed for $AGENT_LOGIN; exit 1", credentials=("AGENT_LOGIN",))
    assert "failed for [redacted]" in said
    for filled in (100, 180):  # the line is cut in the middle of the credential
        progress.clear()
        script = f"printf '%0{filled}d%s' 0 $AGENT_LOGIN; exit 1"
        with pytest.raises(ProposalFailed) as caught:
            proposer(script, progress, credentials=("AGENT_LOGIN",)).propose(make_context())
        assert "correct" not in str(caught.value) + "".join(progress)


@pytest.fixture
def local_service() -> Iterator[int]:
    """A service of this machine."""
    running = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler
    )
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running.server_address[1]
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize("granted", [False, True])
def test_the_network_is_there_only_if_it_is_granted(local_service: int, granted: bool) -> None:
    import sys

    code = f"import socket; socket.create_connection(('127.0.0.1', {local_service}), 5)"
    from runner.sandbox.runtime import runtime_mounts

    programs = tuple(
        mount.target
        for mount in runtime_mounts(Path(sys.executable))
        if mount.source is not None and str(mount.source) == mount.target
    )
    script = f'"{sys.executable}" -I -S -c "{code}" || exit 7; {EDIT}; {STATE}'
    agent = proposer(script, programs=programs, network=granted)
    if granted:
        assert agent.propose(make_context()).files == {"train.py": BETTER}
    else:
        with pytest.raises(ProposalFailed, match="ended with 7"):
            agent.propose(make_context())


def test_its_own_program_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    tool = tmp_path / "tool"
    tool.mkdir()
    tool.chmod(0o755)
    (tool / "agent").write_text(
        f"#!/bin/sh\n{EDIT}\n{STATE}\necho x >> '{tool}/agent' && exit 8\nexit 0\n"
    )
    (tool / "agent").chmod(0o755)
    agent = proposer("", argv=(str(tool / "agent"),), programs=(str(tool),))
    assert agent.propose(make_context()).files == {"train.py": BETTER}
    assert "echo x" in (tool / "agent").read_text() and "\nx\n" not in (tool / "agent").read_text()


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"argv": ()}, "command.argv is empty"),
        ({"credentials": ("NOT_SET_ANYWHERE",)}, "NOT_SET_ANYWHERE"),
        ({"programs": ("/opt/not/there",)}, "does not exist"),
        ({"programs": ("/",)}, "would show this repository"),
        ({"programs": (str(Path.home()),)}, "would show"),
    ],
)
def test_what_a_person_must_put_right_is_said_before_anything_is_run(
    table: dict[str, Any], word: str
) -> None:
    agent = proposer("exit 1", **table)
    with pytest.raises(CommandNotReady, match=word):
        agent.propose(make_context())
    assert not agent.spent


def test_a_cap_in_dollars_needs_an_assumed_price() -> None:
    context = make_context(left=Left(usd=1.0))
    with pytest.raises(CommandNotReady, match="usd_per_proposal"):
        proposer(f"{EDIT}; {STATE}").propose(context)
    with pytest.raises(ProposalFailed) as caught:
        proposer(f"{EDIT}; {STATE}", usd_per_proposal=2.0).propose(context)
    assert caught.value.capped
    cost = proposer(f"{EDIT}; {STATE}", usd_per_proposal=0.5).propose(context).cost
    assert (cost.usd, cost.priced) == (0.5, True)


def test_a_cap_in_tokens_cannot_be_held() -> None:
    with pytest.raises(CommandNotReady, match=r"caps\.max_tokens"):
        proposer("exit 0").propose(make_context(left=Left(tokens=10)))


def test_a_repair_begins_with_the_files_that_broke() -> None:
    broken = {"train.py": TRAIN.replace("RATE = 1.0", "RATE = 1.9").encode()}
    revision = Revision(7, Hypothesis("Raise it", "Why"), broken, "NameError, line 3")
    script = f"grep -q 'NameError, line 3' TASK.md && sed -i 's/1.9/2.0/' train.py && {STATE}"
    assert proposer(script).propose(make_context(revision=revision)).files == {"train.py": BETTER}


def test_a_phases_limit_of_size_holds() -> None:
    context = make_context(phase=PhaseGrant(max_changed_lines=1))
    with pytest.raises(ProposalFailed, match="2 changed lines, more than this phase allows"):
        proposer(f"{EDIT}; {STATE}").propose(context)


LIKE_BEFORE = past(3, "2.1", Reason.WORSE, 3.0)


def test_an_edit_much_like_an_earlier_one_comes_back_once_with_its_outcome() -> None:
    again = (
        "grep -q '#3 Set the rate to 2.1: worse, difference +3' TASK.md"
        " && grep -q 'Double the rate' hypothesis.json"
        " && sed -i 's/RATE = 2.0/RATE = 2.05/' train.py"
        " && sed -i 's/It is low./Unlike #3, it stays below 2.1./' hypothesis.json"
    )
    progress: list[str] = []
    script = f"if [ -f hypothesis.json ]; then {again}; else {EDIT}; {STATE}; fi"
    proposal = proposer(script, progress).propose(make_context(history=[LIKE_BEFORE]))
    assert b"RATE = 2.05" in proposal.files["train.py"]
    assert proposal.hypothesis.rationale == "Unlike #3, it stays below 2.1."
    assert proposal.cost.calls == 2 and "shown what its edit is like" in progress


def test_an_agent_that_still_believes_in_it_leaves_it_as_it_is() -> None:
    script = f"[ -f hypothesis.json ] || {{ {EDIT}; {STATE}; }}"
    proposal = proposer(script).propose(make_context(history=[LIKE_BEFORE]))
    assert proposal.files == {"train.py": BETTER} and proposal.cost.calls == 2


def test_what_is_like_it_is_shown_however_long_ago_it_was() -> None:
    others = [past(number, "90.0", Reason.WORSE, 3.0) for number in range(4, 200)]
    script = (
        f"if [ -f hypothesis.json ]; then grep -q 'RATE = 2.1' history/00003.md;"
        f" else [ ! -f history/00003.md ]; {EDIT}; {STATE}; fi"
    )
    context = make_context(history=[LIKE_BEFORE, *others])
    assert proposer(script).propose(context).cost.calls == 2


def test_what_is_paid_for_is_taken_where_there_is_no_money_to_hand_it_back() -> None:
    context = make_context(left=Left(usd=1.0), history=[LIKE_BEFORE])
    proposal = proposer(f"{EDIT}; {STATE}", usd_per_proposal=0.6).propose(context)
    assert proposal.cost.usd == 0.6
    with pytest.raises(ProposalFailed) as caught:
        proposer(f"[ ! -f hypothesis.json ] && {EDIT} && {STATE}", usd_per_proposal=0.4).propose(
            context
        )
    assert caught.value.cost.usd == 0.8, "the second run broke, and both are paid for"


class LeftBehind:
    """A sandbox whose job left these bytes as its hypothesis."""

    name = "left behind"

    def __init__(self, stated: bytes) -> None:
        self._stated = stated

    def identity(self) -> str:
        return self.name

    def guarantees(self) -> tuple[Any, ...]:
        return ()

    def run(self, job: Job, collect_to: Path, on_output: Any = None) -> Outcome:
        collect_to.mkdir()
        (collect_to / "train.py").write_bytes(BETTER)
        (collect_to / "hypothesis.json").write_bytes(self._stated)
        return Outcome(Ended.EXITED, 1.0, b"", 0, exit_code=0)


stated_bytes = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=10) | st.floats(),
        lambda inner: st.dictionaries(st.sampled_from([*STATED, "x"]), inner) | st.lists(inner),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode())
    | st.just(b"[" * 60_000)
)


@settings(max_examples=200, deadline=None)
@given(stated_bytes)
def test_whatever_lies_in_the_hypothesis_file_is_read_or_refused(stated: bytes) -> None:
    agent = CommandProposer(CommandTable(argv=("/bin/true",)), sandbox=lambda: LeftBehind(stated))
    try:
        proposal = agent.propose(make_context())
    except ProposalFailed as failure:
        assert "hypothesis.json" in str(failure)
    else:
        assert proposal.hypothesis.title and "\n" not in proposal.hypothesis.title


def test_the_history_it_is_given_is_bounded() -> None:
    experiment = past(1, "7.0", Reason.WORSE, 3.0)
    many = [replace(experiment, number=number) for number in range(1, 400)]
    files = proposer("").task(make_context(history=many))
    assert sum(path.startswith("history/") for path in files) == 100
