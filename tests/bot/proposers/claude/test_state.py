"""What is kept of a conversation comes back as it was, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model import Source
from bot.proposers.claude.state import Counts, State, Unusable, pack, unpack

STATE = State(
    mark="0123456789abcdef",
    form="f",
    counts=Counts(turns=3, mistakes=1, calls=4, sources=[Source("https://arxiv.org/a", "A")]),
    files={"train.py": "RATE = 2\n"},
    near={4, 7},
    input_tokens=1_000,
    estimated=900,
)
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "Begin."}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm \u2028 \U0001f600", "signature": "c2ln"},
            {"type": "tool_use", "id": "t", "name": "check", "input": {"n": 10**30, "x": 0.1}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "Fine"}]},
]


def test_it_comes_back_as_it_was() -> None:
    assert unpack(pack(STATE, MESSAGES)) == (STATE, MESSAGES)


def test_many_messages_come_back_in_their_order() -> None:
    many = [
        {"role": ("user", "assistant")[at % 2], "content": [{"type": "text", "text": str(at)}]}
        for at in range(1_001)
    ]
    assert unpack(pack(STATE, many))[1] == many


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("state.json", lambda data: {**data, "mark": "[data"}),
        ("state.json", lambda data: {**data, "more": 1}),
        ("state.json", lambda data: {**data, "counts": {"turns": -1}}),
        ("state.json", lambda data: {**data, "near": ["x"]}),
        ("state.json", lambda _: None),
        ("message-0001.json", lambda _: [[[]]]),
        ("message-0001.json", lambda data: {**data, "role": "user"}),
        ("message-0001.json", lambda data: {**data, "content": ["plain"]}),
        ("message-0001.json", lambda data: {**data, "content": []}),
        ("message-0002.json", lambda data: {**data, "content": "x"}),
        ("message-0002.json", lambda data: {**data, "content": [{"type": "\ud83d"}]}),
        ("message-0002.json", lambda data: {**data, "more": 1}),
    ],
)
def test_what_is_damaged_does_not_come_back(part: str, change: Callable[[Any], Any]) -> None:
    parts = dict(pack(STATE, MESSAGES))
    parts[part] = json.dumps(change(json.loads(parts[part]))).encode()
    with pytest.raises(Unusable):
        unpack(parts)


@pytest.mark.parametrize("part", ["state.json", "message-0000.json", "message-0001.json"])
def test_what_is_missing_does_not_come_back(part: str) -> None:
    parts = {name: data for name, data in pack(STATE, MESSAGES).items() if name != part}
    with pytest.raises(Unusable):
        unpack(parts)


@given(st.dictionaries(st.sampled_from(["state.json", "message-0000.json"]), st.binary()))
def test_whatever_is_there_nothing_else_is_raised(parts: dict[str, bytes]) -> None:
    with pytest.raises(Unusable):
        unpack({**pack(STATE, []), **parts})
