from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.actions.command import read_inputs
from runner.actions.gate import Passed, Refused, gate
from runner.candidate import read_folder
from runner.digests import candidate_digest
from runner.errors import RequestError
from runner.request import BatchRequest
from runner.settings import CandidateTable
from tests.runner.actions.lab import BETTER, RUNS, TRAIN, Desk, Lab, asked, git, pull


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "lab")


def let_through(lab: Lab, head: str, desk: Desk | None = None) -> Passed:
    return gate(asked(head, lab.base), desk or Desk(pull(head)), lab.checkout, "main")


def refused(lab: Lab, head: str, desk: Desk | None = None) -> str:
    with pytest.raises(Refused) as caught:
        let_through(lab, head, desk)
    return str(caught.value)


def test_an_allowed_change_is_handed_over_as_bytes_and_nothing_else(
    lab: Lab, tmp_path: Path
) -> None:
    head = lab.propose({"train.py": BETTER})
    passed = let_through(lab, head)
    assert passed.expected.candidate == candidate_digest({"train.py": BETTER})
    assert passed.expected.baseline == candidate_digest({"train.py": TRAIN})
    folder = tmp_path / "handover"
    passed.hand_over(folder)
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert files == ["baseline/train.py", "batch.json", "candidate/train.py"]
    assert (folder / "candidate" / "train.py").read_bytes() == BETTER


def test_the_batch_is_one_that_the_runner_takes(lab: Lab, tmp_path: Path) -> None:
    passed = let_through(lab, lab.propose({"train.py": BETTER}))
    passed.hand_over(tmp_path / "handover")
    batch = BatchRequest.model_validate_json((tmp_path / "handover" / "batch.json").read_bytes())
    assert [(run.id, run.seed, run.smoke) for run in batch.runs] == [
        ("0", 5, False),
        ("1", 5, True),
    ]
    first = read_folder(tmp_path / str(batch.runs[0].files), CandidateTable())
    assert first == {"train.py": TRAIN}


def test_what_is_measured_is_the_merge_with_the_base_of_now(lab: Lab) -> None:
    text = b"a = 1\n\n\n\n\n\nb = 1\n"
    lab.base = lab.advance({"train.py": text})
    head = lab.propose({"train.py": text.replace(b"a = 1", b"a = 2")})
    lab.base = lab.advance({"train.py": text.replace(b"b = 1", b"b = 2")})
    assert let_through(lab, head).candidate == {"train.py": b"a = 2\n\n\n\n\n\nb = 2\n"}


def test_a_pull_request_that_is_closed_or_has_moved_is_refused(lab: Lab) -> None:
    head = lab.propose({"train.py": BETTER})
    assert "not open" in refused(lab, head, Desk(pull(head, state="closed")))
    assert "now" in refused(lab, head, Desk(pull("f" * 40)))
    assert "another branch" in refused(lab, head, Desk(pull(head, base_branch="dev")))


def test_one_from_elsewhere_is_measured_only_with_an_approval_of_this_head(lab: Lab) -> None:
    head = lab.propose({"train.py": BETTER})
    stranger = pull(head, head_repository="stranger/research")
    said = refused(lab, head, Desk(stranger))
    assert "write permission" in said and head[:12] in said
    assert let_through(lab, head, Desk(stranger, approver="ada")).candidate
    gone = pull(head, head_repository="")
    assert "another repository" in refused(lab, head, Desk(gone))


FORBIDDEN: dict[str, Mapping[str, bytes]] = {
    "a workflow": {".github/workflows/measure.yml": b"on: push\n"},
    "a new workflow": {".github/workflows/x.yml": b"on: pull_request_target\n"},
    "the scorer": {"runner/task/score.py": b"def score(): return 1\n"},
    "the settings": {"bot.toml": b"[candidate]\nmax_bytes = 9\n"},
    "dependencies": {"requirements/bot.txt": b"evil==1\n"},
    "conftest.py": {"conftest.py": b"import os\n"},
    "sitecustomize.py": {"sitecustomize.py": b"import os\n"},
    "the scratchpad": {"scratchpad.md": b"I won.\n"},
}


def test_a_change_of_anything_else_is_refused(lab: Lab) -> None:
    for what, files in FORBIDDEN.items():
        head = lab.propose({"train.py": BETTER, **files})
        said = refused(lab, head)
        assert "not allowed" in said and next(iter(files)) in said, what


def test_a_link_in_the_place_of_the_file_is_refused(lab: Lab) -> None:
    git(lab.work, "checkout", "-q", "-B", "exp/link", lab.base)
    (lab.work / "train.py").unlink()
    (lab.work / "train.py").symlink_to("/etc/passwd")
    git(lab.work, "commit", "-qam", "Link")
    git(lab.work, "push", "-q", "origin", "HEAD:refs/heads/exp/link")
    assert "symlink" in refused(lab, git(lab.work, "rev-parse", "HEAD"))


def test_a_conflict_is_refused(lab: Lab) -> None:
    head = lab.propose({"train.py": BETTER})
    lab.base = lab.advance({"train.py": TRAIN.replace(b"1.0", b"3.0")})
    assert "conflicts with the base branch in train.py" in refused(lab, head)


def test_the_files_that_judge_come_from_the_base_branch(lab: Lab) -> None:
    head = lab.propose({"train.py": BETTER})
    mine = lab.propose({"runner/task/score.py": b"def score(): return 1\n"}, "mine")
    git(lab.checkout, "fetch", "-q", "origin", mine)
    with pytest.raises(Refused, match="not a commit of the base branch"):
        gate(asked(head, mine), Desk(pull(head)), lab.checkout, "main")


def test_a_base_with_another_runner_than_now_is_asked_for_anew(lab: Lab) -> None:
    head = lab.propose({"train.py": BETTER})
    lab.advance({"runner/task/score.py": b"def score(): # mended\n"})
    assert "asks anew" in refused(lab, head)


def test_ledger_commits_on_the_base_do_no_harm(lab: Lab) -> None:
    head = lab.propose({"train.py": BETTER})
    lab.advance({"scratchpad.md": b"#11 lost\n"})
    assert let_through(lab, head).candidate == {"train.py": BETTER}


GOOD = {
    "pr": "12",
    "head_sha": "a" * 40,
    "base_sha": "b" * 40,
    "attempt": "12.1",
    "runs": json.dumps([run.model_dump() for run in RUNS]),
}


def test_the_inputs_are_read() -> None:
    assert read_inputs(**GOOD) == asked("a" * 40, "b" * 40)


BAD = {
    "pr": ["", "0", "-1", "1.5", "$(id)", "12; id", "12\n13", "9" * 30, "\u0661\u0662"],
    "head_sha": ["", "HEAD", "--upload-pack=id", "a" * 39, "A" * 40, "a" * 40 + "\n", "`id`"],
    "base_sha": ["main", "a" * 41, "refs/heads/main", "$BASE"],
    "attempt": ["", "13.1", "12", "12.1; id", "12.1\n::set-output name=x::y", "12.0", "../12.1"],
    "runs": [
        "", "[]", "{}", "null", "[" * 100_000, "[1]", "[" + "1" * 70_000 + "]",
        '[{"index": 0, "side": "candidate", "seed": true, "smoke": true}]',
        '[{"index": 0, "side": "both", "seed": 1, "smoke": true}]',
        '[{"index": 0, "side": "candidate", "seed": -1, "smoke": true}]',
        '[{"index": 0, "side": "candidate", "seed": 1, "smoke": true, "tree": "x"}]',
        json.dumps([RUNS[0].model_dump()] * 2), json.dumps([RUNS[0].model_dump()] * 65),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(k, v) for k, vs in BAD.items() for v in vs])
def test_an_odd_input_is_one_clear_error(name: str, value: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_inputs(**{**GOOD, name: value})
    assert 0 < len(str(caught.value)) < 2_000
