"""Events are read strictly: whatever is not one is refused with a reason, never a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.forge import events
from bot.forge.events import Commented, InvalidEvent, Measured, Person, from_json, to_json

ADA = Person(name="Ada", id="ada@example.org")
GOOD = Commented(at=5, author=ADA, body="hello")


def changed(**fields: object) -> bytes:
    data: dict[str, Any] = json.loads(to_json(GOOD))
    data.update(fields)
    return json.dumps({key: value for key, value in data.items() if value != "DROP"}).encode()


def test_an_event_survives_its_bytes() -> None:
    assert from_json(to_json(GOOD)) == GOOD


def test_the_bytes_are_readable() -> None:
    assert b'"kind": "commented"' in to_json(GOOD)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"commented"',
        b"\xff\xfe",
        b"\x00",
        b"[" * 200_000,
        b'{"kind": "commented"' + b', "kind": "opened"' * 9 + b"}",
        changed(kind="exploded"),
        changed(kind=None),
        changed(kind="DROP"),
        changed(version=2),
        changed(version="1"),
        changed(version="DROP"),
        changed(at="yesterday"),
        changed(at=-1),
        changed(at=1.5),
        changed(at=10**30),
        changed(at=True),
        changed(body=7),
        changed(body="DROP"),
        changed(author="Ada"),
        changed(author={"name": "Ada"}),
        changed(author={"name": "Ada", "id": "x", "is_bot": "yes"}),
        changed(surprise=1),
        changed(kind="pushed", body="DROP", head="main"),
        changed(kind="pushed", body="DROP", head="0" * 39),
        changed(kind="labelled", body="DROP", author="DROP", labels="ab"),
    ],
)
def test_what_is_not_an_event_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidEvent):
        from_json(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(data: bytes) -> None:
    with pytest.raises(InvalidEvent):
        from_json(data)


def test_too_many_bytes_are_refused_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    data = to_json(GOOD)
    monkeypatch.setattr(events, "MAXIMUM_BYTES", len(data) - 1)
    with pytest.raises(InvalidEvent, match="bytes"):
        from_json(data)
    with pytest.raises(InvalidEvent, match="bytes"):
        to_json(GOOD)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5))
def test_any_result_survives(result: dict[str, Any]) -> None:
    event = Measured(at=5, attempt="a1", index=0, result=result)
    assert from_json(to_json(event)) == event


def test_a_result_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    with pytest.raises((InvalidEvent, ValueError)):
        to_json(Measured.model_construct(at=5, attempt="a1", index=0, result=loop))
