"""Malformed inputs by the thousand: no traceback, and nothing gets past the policy.

Ten thousand of each kind in `make verify`, a hundred and fifty in `make test`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import SettingsError
from bot.policy.rules import check_diff, check_files
from bot.proposers.base import Context, ProposalFailed
from bot.proposers.claude.tools import InvalidInput, parse
from bot.proposers.claude.workbench import Workbench
from bot.proposers.command import CommandProposer
from bot.proposers.scratch import HYPOTHESIS
from bot.proposers.tables import CommandTable
from bot.settings import Settings
from bot.settings import parse as parse_settings
from bot.text.hygiene import Fence, Secrets
from tests.bot.policy.test_rules import RULES, _lines_outside_hunks, mutated_diffs
from tests.bot.proposers.claude.conftest import make_context

EXAMPLES = [
    pytest.param(150, id="some"),
    pytest.param(10_000, id="ten-thousand", marks=[pytest.mark.slow, pytest.mark.timeout(3_000)]),
]
FUZZED = pytest.mark.parametrize("examples", EXAMPLES)


def run(check: Callable[..., None], examples: int) -> None:
    """Carry out a property with so many examples."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings(max_examples=examples, deadline=None, suppress_health_check=slow)(check)()


# What a model says

texts = st.sampled_from(
    ["train.py", "RATE = 1.0", "RATE = 2.0", "../x", "/etc/passwd", "", "x = (", "\ud800", "a\x00b"]
) | st.text(max_size=40)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
KEYS = {
    "view": ["path", "first_line", "last_line"],
    "edit": ["path", "old", "new"],
    "write": ["path", "content"],
    "history": ["query", "number", "show"],
    "check": [],
    "submit": ["title", "rationale", "expected", "falsified_by", "notes"],
    "bash": ["command"],
}


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, object]:
    """A tool and its input: well formed, nearly so, or anything."""
    tool = draw(st.sampled_from(sorted(KEYS)))
    made: dict[str, Any] = {}
    for key in KEYS[tool]:
        likely = texts | st.none() if "line" not in key and key != "number" else st.integers(-2, 99)
        made[key] = draw(st.just("train.py") if key == "path" else likely)
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return tool, draw(values)
    if kind == 1 and made:
        del made[draw(st.sampled_from(sorted(made)))]
    if kind == 2:
        made[draw(texts)] = draw(values)
    if kind == 3 and made:
        made[draw(st.sampled_from(sorted(made)))] = draw(values)
    return tool, made


def on_the_bench(context: Context, said: list[tuple[str, object]]) -> Workbench:
    bench = Workbench(context, Fence("mark", Secrets()))
    granted = context.phase.tools
    for tool, value in said:
        try:
            answer = bench.do(parse(tool, value, granted))
        except InvalidInput as problem:
            answer = str(problem)
        assert isinstance(answer, str) and answer
    return bench


@FUZZED
def test_whatever_a_model_calls_only_an_allowed_and_valid_file_is_handed_in(examples: int) -> None:
    context = make_context()

    @given(st.lists(calls(), max_size=8))
    def check(said: list[tuple[str, object]]) -> None:
        bench = on_the_bench(context, said)
        assert set(bench.files) <= set(context.allowed.paths)
        if bench.submission is not None:
            assert bench.changed
            assert check_files(bench.files, context.allowed, context.files) == ()

    run(check, examples)


@st.composite
def hypothesis_files(draw: st.DrawFn) -> bytes:
    """What an agent may leave: JSON of nearly the right form, cut short, or no JSON at all."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(st.binary(max_size=200))
    made: object = {"title": draw(values), "rationale": draw(values), "notes": draw(values)}
    if kind == 1:
        made = draw(values)
    if kind == 2:
        made = {"title": draw(texts), "rationale": draw(texts), "notes": draw(texts)}
    data = json.dumps(made).encode("utf-8", "surrogatepass")
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@FUZZED
def test_whatever_an_agent_leaves_is_a_hypothesis_or_a_reason(
    examples: int, tmp_path: Path
) -> None:
    proposer = CommandProposer(CommandTable())

    @given(hypothesis_files())
    def check(data: bytes) -> None:
        (tmp_path / HYPOTHESIS).write_bytes(data)
        try:
            _, hypothesis = proposer._stated(tmp_path)
        except ProposalFailed as failure:
            assert str(failure)
        else:
            assert hypothesis.title and "\n" not in hypothesis.title and hypothesis.rationale
            assert "\x00" not in hypothesis.title + hypothesis.rationale

    run(check, examples)


# Diffs


@FUZZED
def test_whatever_a_diff_says_it_is_allowed_only_for_the_allowed_file(examples: int) -> None:
    @given(mutated_diffs() | st.binary(max_size=200))
    def check(diff: bytes) -> None:
        if check_diff(diff, RULES) != () or not diff:
            return
        outside = _lines_outside_hunks(diff)
        forbidden = (b"old mode", b"new mode", b"deleted", b"rename", b"copy", b"GIT", b"Bin")
        assert not any(line.startswith(forbidden) or b"score.py" in line for line in outside)

    run(check, examples)


# Configuration

WHOLE = """\
[repository]
base = "main"
[candidate]
paths = ["train.py"]
entry = "train.py"
[metric]
name = "mean_rank"
direction = "lower"
[proposer]
name = "search"
[portfolio]
claude = 4
search = 1
[claude]
model = "claude-opus-5-5"
max_turns = 24
[caps]
max_usd = 1.5
[scratchpad]
path = "scratchpad.md"
[[phase]]
name = "tune"
tools = ["view", "web_search"]
web_domains = ["arxiv.org"]
patience = 3
[[guard]]
name = "train_s"
max_factor = 1.2
""".splitlines()
lines = st.sampled_from(
    [
        *WHOLE,
        'paths = ["bot/decide.py"]',
        'paths = ["train.py", ".github/workflows/x.yml"]',
        'path = "train.py"',
        'entry = "runner/task/score.py"',
        'web_domains = ["*"]',
        'tools = ["bash"]',
        'name = "../x"',
        "patience = 0",
        "max_usd = nan",
        "max_turns = 1e99",
        "[phase]",
        "= = =",
        "\x00",
        'x = """',
    ]
) | st.text(max_size=30)


@st.composite
def mutated_settings(draw: st.DrawFn) -> bytes:
    document = list(WHOLE)
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(document)))
        width = draw(st.integers(0, 3))
        document[place : place + width] = draw(st.lists(lines, max_size=2))
    return "\n".join(document).encode("utf-8", "surrogatepass")


@FUZZED
def test_whatever_bot_toml_says_it_is_valid_or_refused_with_a_message(examples: int) -> None:
    @given(mutated_settings() | st.binary(max_size=200))
    def check(data: bytes) -> None:
        try:
            found = parse_settings(data)
        except SettingsError as error:
            assert str(error).startswith("bot.toml")
            return
        assert isinstance(found, Settings)
        assert found.candidate.entry in found.candidate.paths
        reserved = ("bot/", "runner/", ".git", "bot.toml", "program.md", found.scratchpad.path)
        assert not any(path.startswith(reserved) for path in found.candidate.paths)
        assert all("*" not in domain for one in found.phase for domain in one.web_domains)
        assert sum(found.shares.values()) >= 1

    run(check, examples)


def test_the_fuzzing_reaches_what_is_accepted() -> None:
    """The properties above would hold trivially if everything were refused."""
    assert parse_settings("\n".join(WHOLE).encode()).phase[0].name == "tune"
    context = make_context()
    edit = {"path": "train.py", "old": "RATE = 1.0", "new": "RATE = 2.0"}
    submit = dict.fromkeys(KEYS["submit"], "Try it")
    bench = on_the_bench(context, [("edit", edit), ("submit", submit)])
    assert bench.submission is not None and list(bench.changed) == ["train.py"]
