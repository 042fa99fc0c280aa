from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import RequestError
from runner.request import MAX_REQUEST_BYTES, BatchRequest, parse_request

RUN: dict[str, Any] = {"id": "a", "files": "train.py", "seed": 0}
TREE = "0123456789" * 4


def parse(value: Any) -> BatchRequest:
    return parse_request(BatchRequest, json.dumps(value).encode(), "batch.json")


def test_a_batch_keeps_the_order_of_its_runs() -> None:
    runs = [{"id": f"r{n}", "tree": TREE, "seed": n} for n in (3, 1, 2)]
    assert [run.id for run in parse({"runs": runs}).runs] == ["r3", "r1", "r2"]


BAD: dict[str, tuple[Any, str]] = {
    "not an object": ([], "the whole"),
    "no runs": ({}, "runs"),
    "empty runs": ({"runs": []}, "runs"),
    "unknown key": ({"runs": [RUN], "sudo": True}, "sudo"),
    "unknown key of a run": ({"runs": [RUN | {"shell": "x"}]}, "runs.0.shell"),
    "both sources": ({"runs": [RUN | {"tree": TREE}]}, "exactly one of tree and files"),
    "no source": ({"runs": [{"id": "a", "seed": 0}]}, "exactly one of tree and files"),
    "an option as tree": ({"runs": [{"id": "a", "tree": "--output=x", "seed": 0}]}, "runs.0.tree"),
    "a ref as tree": ({"runs": [{"id": "a", "tree": "main", "seed": 0}]}, "runs.0.tree"),
    "a tree with a line end": ({"runs": [{"id": "a", "tree": TREE + "\n", "seed": 0}]}, "tree"),
    "a path as id": ({"runs": [RUN | {"id": "../x"}]}, "runs.0.id"),
    "ids twice": ({"runs": [RUN, RUN]}, "an id of its own"),
    "negative seed": ({"runs": [RUN | {"seed": -1}]}, "runs.0.seed"),
    "large seed": ({"runs": [RUN | {"seed": 2**31}]}, "runs.0.seed"),
    "seed is text": ({"runs": [RUN | {"seed": "1"}]}, "runs.0.seed"),
    "seed is true": ({"runs": [RUN | {"seed": True}]}, "runs.0.seed"),
    "budget is zero": ({"runs": [RUN], "budget_s": 0}, "budget_s"),
    "unknown split": ({"runs": [RUN], "split": "private"}, "split"),
    "bad settings": ({"runs": [RUN], "settings": {"budget": {"cpu": 1}}}, "settings.budget.cpu"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_batch_is_refused_with_the_place_of_the_mistake(name: str) -> None:
    value, place = BAD[name]
    with pytest.raises(RequestError, match=r"batch\.json") as raised:
        parse(value)
    assert place in str(raised.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"nan", b'{"runs": NaN}'])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(RequestError):
        parse_request(BatchRequest, data, "batch.json")


def test_an_endless_batch_is_refused_unread() -> None:
    with pytest.raises(RequestError, match="larger"):
        parse_request(BatchRequest, b" " * (MAX_REQUEST_BYTES + 1), "batch.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["runs", "id", "seed", "files", "tree", "split", "x"]), inner
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_batch_or_a_clear_refusal(value: Any) -> None:
    try:
        assert parse(value).runs
    except RequestError as error:
        assert len(str(error)) < 5_000
