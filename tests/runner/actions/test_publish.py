from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.actions.documents import MOST_BYTES, parse_published
from runner.actions.publish import Unbelievable, believe, check_of, clip, read_results, refusal
from runner.errors import RequestError
from runner.result import CandidateError, Stage, Status
from runner.settings import RunnerSettings
from tests.runner.actions.lab import expected, measurement, runner_class

SETTINGS = RunnerSettings()
EXPECTED = expected()


def results(**changes: Any) -> bytes:
    """An honest result file, but for what is changed in the candidate's run."""
    sides = [measurement(EXPECTED, "baseline"), measurement(EXPECTED)]
    found = [each.model_dump(mode="json") for each in sides]
    for path, value in changes.items():
        place = found[1]
        *folders, name = path.split("__")
        for folder in folders:
            place = place[folder]
        place[name] = value
    return json.dumps({"measurements": found}).encode()


def why(data: bytes) -> str:
    with pytest.raises(Unbelievable) as caught:
        believe(data, EXPECTED, SETTINGS)
    return str(caught.value)


def test_an_honest_result_is_published_as_it_is() -> None:
    published = believe(results(), EXPECTED, SETTINGS)
    assert [m.metric for m in published.measurements] == [13.5, 11.25]
    assert parse_published(published.model_dump_json().encode()) == published


def test_the_check_says_the_number_that_people_want() -> None:
    check = check_of(believe(results(), EXPECTED, SETTINGS), "mean_rank")
    assert check.title == "mean_rank 11.25 (-2.25 against the baseline)"
    assert (check.conclusion, check.external_id) == ("neutral", "12.1")
    assert check.head_sha == EXPECTED.head_sha


@pytest.mark.parametrize(
    ("status", "conclusion"),
    [(Status.CRASHED, "failure"), (Status.TIMED_OUT, "timed_out"),
     (Status.OUT_OF_MEMORY, "failure"), (Status.INVALID_OUTPUT, "failure")],
)  # fmt: skip
def test_a_failed_candidate_shows_in_the_check(status: Status, conclusion: str) -> None:
    failed = measurement(
        EXPECTED, status=status, metric=None, secondary={}, message="KeyError in line 3",
        error=CandidateError(type="KeyError", line=3, stage=Stage.TRAIN),
    )  # fmt: skip
    pair = [measurement(EXPECTED, "baseline"), failed]
    data = json.dumps({"measurements": [m.model_dump(mode="json") for m in pair]}).encode()
    check = check_of(believe(data, EXPECTED, SETTINGS), "mean_rank")
    assert check.conclusion == conclusion
    assert check.title == f"{status}: KeyError in line 3"


FORGED: dict[str, dict[str, Any]] = {
    "finite": {"metric": math.nan},
    "number": {"metric": math.inf},
    "no evaluation": {"metric": -1.0},
    "no evaluation ": {"metric": 0.5},
    "no evaluation  ": {"metric": 1e300},
    "no evaluation   ": {"secondary": {"recall@1": 1.5}},
    "not finite": {"train_s": math.nan},
    "duration": {"train_s": -1.0},
    "duration ": {"train_s": 4_000.0},
    "contradict": {"metric": None},
    "contradict ": {"status": "crashed"},
    "other files": {"digests__candidate": "f" * 64},
    "other files of the runner": {"digests__harness": "f" * 64},
    "other files of the runner ": {"digests__scorer": "f" * 64},
    "sets of data": {"digests__data": "f" * 64},
    "seed 6 instead of 5": {"seed": 6},
    "who made its metric": {"self_reported": True},
    "who made its metric ": {"self_reported": True, "metric": 0.0},
    "another split": {"split": "sealed"},
    "another split ": {"sealed": {"metric": 2.0, "secondary": {}}},
    "runner class is not": {"runner_class__device": "A better GPU"},
    "Extra inputs": {"verdict": "merged"},
    "schema_version": {"schema_version": 2},
}


@pytest.mark.parametrize("reason", FORGED)
def test_a_forged_result_is_not_believed(reason: str) -> None:
    said = why(results(**FORGED[reason]))
    assert len(said) < 2_000
    if reason.strip() not in {"finite", "number"}:
        assert reason.strip() in said


def test_a_shorter_or_longer_budget_is_not_believed() -> None:
    short = runner_class(budget_s=30.0)
    data = results(runner_class=short.model_dump())
    assert "budget" in why(data)


def test_results_of_two_machines_are_not_one_attempt() -> None:
    other = runner_class(device="Another GPU")
    assert "different runner classes" in why(results(runner_class=other.model_dump()))


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", b'{"measurements": 3}', b'{"measurements": [3]}', b"\xff\xfe",
     b'{"measurements": [' + b"[" * 100_000, b'{"measurements": []}',
     b'{"measurements": [' + b"9" * 10_000 + b"]}"],
)  # fmt: skip
def test_what_is_no_result_at_all_is_not_believed(data: bytes) -> None:
    assert len(why(data)) < 2_000


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["measurements", "metric", "seed"]), inner, max_size=3),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_but_a_result_is_a_result(data: bytes) -> None:
    with pytest.raises(Unbelievable):
        believe(data, EXPECTED, SETTINGS)


def test_a_huge_file_a_link_a_pipe_and_no_file_are_not_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(Unbelievable, match=f"{MOST_BYTES:,}"):
        read_results(huge)
    (tmp_path / "link.json").symlink_to(huge)
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("link.json", "pipe.json", "none.json"):
        with pytest.raises(Unbelievable):
            read_results(tmp_path / name)


def test_a_log_that_is_markdown_or_a_workflow_command_reaches_no_check() -> None:
    message = "</details> @everyone [x](http://x) ::set-output name=a::b `x` <img src=y>"
    failed = measurement(
        EXPECTED, status=Status.CRASHED, metric=None, secondary={}, message=message
    )
    pair = [measurement(EXPECTED, "baseline"), failed]
    data = json.dumps({"measurements": [m.model_dump(mode="json") for m in pair]}).encode()
    check = check_of(believe(data, EXPECTED, SETTINGS), "mean_rank")
    assert not set("<>`[]") & set(check.title)
    assert "@everyone" not in check.title
    assert message not in check.summary


def test_a_summary_is_cut_by_bytes_between_characters() -> None:
    assert len(clip("é" * 65_535).encode()) == 65_534


def test_a_refusal_has_a_check_of_its_own_for_every_try() -> None:
    one, two = (refusal(EXPECTED, "Result 1: `forged`", run) for run in ("1", "2"))
    assert one.conclusion == "cancelled"
    assert one.external_id != two.external_id
    assert "`" not in one.summary


def test_a_document_that_is_too_large_or_of_another_form_is_refused() -> None:
    for data in (b"{" + b" " * MOST_BYTES, b"{}", b"\x00"):
        with pytest.raises(RequestError):
            parse_published(data)
