"""`bot propose --dry-run` as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.history.cost import Cost
from bot.proposing.journal import Journal
from bot.proposing.preview import preview
from bot.proposing.propose import Drafting, open_proposal
from tests.bot.lab import Lab, ListProposer, git, make_repository
from tests.bot.proposers.claude.server import KEY, Script, Server

TOP = Path(__file__).parents[3]


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
    done = subprocess.run(
        [sys.executable, "-m", "bot", "propose", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(TOP), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def told(folder: Path, **variables: str) -> dict[str, Any]:
    done = run(folder, "--dry-run", "--json", **variables)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    running.script = Script()
    yield running
    running.shutdown()
    running.server_close()


def test_claude_without_a_key_shows_the_exact_context_and_what_is_missing(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "p", settings='[proposer]\nname = "claude"\n')
    before = git(folder, "for-each-ref")
    shown = told(folder)
    assert shown["proposer"] == "claude" and shown["model"] == "claude-opus-5-5"
    assert not shown["ready"] and "ANTHROPIC_API_KEY is not set" in shown["problem"]
    assert shown["tokens_exact"] is None
    assert 1_000 < shown["tokens_estimate"] < 20_000
    parts = {part["name"]: part["text"] for part in shown["parts"]}
    assert "You are the researcher" in parts["system"]
    assert "RATE = 1.0" in parts["message 1, part 1 (user)"]
    assert '"submit"' in parts["tools"]
    assert git(folder, "for-each-ref") == before  # nothing was written


def test_with_a_key_the_tokens_are_counted_and_nothing_else_is_asked(
    tmp_path: Path, server: Server
) -> None:
    folder = make_repository(tmp_path / "p", settings='[proposer]\nname = "claude"\n')
    shown = told(folder, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=server.url, NO_PROXY="127.0.0.1")
    assert shown["ready"] and shown["tokens_exact"] == 4_321
    assert server.script.requests == [] and len(server.script.counted) == 1
    assert KEY not in json.dumps(shown)
    sent = server.script.counted[0]
    assert sent["messages"][0]["content"][0]["text"].startswith("Text between")


def test_an_interface_out_of_reach_leaves_the_estimate(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "p", settings='[proposer]\nname = "claude"\n')
    shown = told(folder, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert shown["tokens_exact"] is None and shown["tokens_estimate"] > 1_000


def test_the_default_is_search_and_says_why(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "p")
    done = run(folder, "--dry-run")
    assert done.returncode == 0
    assert "RATE = 1.0" in done.stdout
    assert "Proposer: search" in done.stdout and "needs no key" in done.stdout
    assert done.stdout.rstrip().endswith("Ready: run a step.")


def test_command_shows_the_files_that_the_agent_would_get(tmp_path: Path) -> None:
    settings = '[proposer]\nname = "command"\n[command]\nargv = ["/opt/agent", "go"]\n'
    shown = told(make_repository(tmp_path / "p", settings=settings))
    parts = {part["name"]: part["text"] for part in shown["parts"]}
    assert parts["command line"] == '["/opt/agent", "go"]'
    assert "hypothesis.json" in parts["TASK.md"] and "RATE = 1.0" in parts["train.py"]
    assert shown["ready"]


def test_a_cap_that_is_reached_is_said_and_the_context_shown_all_the_same(tmp_path: Path) -> None:
    shown = told(make_repository(tmp_path / "p", settings="[caps]\nmax_experiments = 0\n"))
    assert "caps.max_experiments = 0 is reached" in shown["problem"] and shown["parts"]


def test_without_the_flag_it_says_what_it_is_for(tmp_path: Path) -> None:
    done = run(make_repository(tmp_path / "p"))
    assert done.returncode == 2 and "--dry-run" in done.stderr


SHARES = """
[portfolio]
claude = 4
search = 1
[caps]
max_usd = 5.0
[command]
argv = ["/opt/agent"]
"""


def test_an_unfinished_conversation_is_what_a_step_would_go_on_with(tmp_path: Path) -> None:
    settings = "[portfolio]\nsearch = 4\nclaude = 1\n"
    lab = Lab.build(tmp_path / "p", settings=settings)
    asked = Drafting(lab.place, lambda: 7).told(lab.view())
    journal = Journal(lab.place, asked)
    journal.keep("claude", {"message-0001.json": b"{}"})
    cost = Cost(usd=1.25, calls=2)
    begun = journal.step(cost)
    lab.place.repository.update_refs(begun, "it is begun")
    journal.made(begun)
    assert preview(lab.place).proposer == "search"  # another process is in the middle of it
    lab.place.repository.update_refs(journal.released(cost), "its process ends")
    before = git(lab.folder, "for-each-ref")
    shown = preview(lab.place)
    assert shown.proposer == "claude" and "would go on" in shown.why and "$1.25" in shown.why
    assert git(lab.folder, "for-each-ref") == before


def test_of_several_it_is_the_one_whose_turn_it_is(tmp_path: Path) -> None:
    shown = told(make_repository(tmp_path / "p", settings=SHARES))
    assert shown["proposer"] == "claude"
    assert "its turn by the shares of [portfolio]" in shown["why"]


def test_a_command_whose_cost_is_not_known_is_not_ready_under_a_cap(tmp_path: Path) -> None:
    settings = SHARES.replace("claude = 4\nsearch = 1", "command = 1")
    shown = told(make_repository(tmp_path / "p", settings=settings))
    assert not shown["ready"] and "command.usd_per_proposal" in shown["problem"]


PHASES = """
[proposer]
name = "claude"
[[phase]]
name = "tune"
max_experiments = 1
[[phase]]
name = "build"
scope = "Build something."
model = "claude-fable-5"
"""


def test_a_phase_that_is_over_is_not_shown_but_the_one_that_comes(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "p", PHASES)
    assert told(lab.folder)["model"] == "claude-opus-5-5"
    open_proposal(lab.place, lab.view(), ListProposer([-9.0]), lambda: 1)
    lab.until_idle_or_phase()
    shown = told(lab.folder)
    assert shown["model"] == "claude-fable-5"
    assert any("Build something." in part["text"] for part in shown["parts"])


def test_a_programme_that_is_finished_is_not_ready(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "p", "".join(PHASES.partition('[[phase]]\nname = "build"')[:1]))
    open_proposal(lab.place, lab.view(), ListProposer([-9.0]), lambda: 1)
    lab.until_idle_or_phase()
    assert "The programme is finished" in told(lab.folder)["problem"]
