"""measure.yml really runs: gate, training in the real sandbox, report; `act` plays GitHub."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.workflows.archive import read_one
from runner.actions.documents import DOCUMENT, MOST_BYTES, parse_published
from runner.digests import candidate_digest
from tests.actions.place import BETTER, PAIR, LabOnGitHub, free_port
from tests.github.pulls import review_by
from tests.github.server import running
from tests.project import TRAIN
from tests.runner.kinds.test_predictions import FILES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab(tmp_path: Path, cache: Path) -> Iterator[LabOnGitHub]:
    port = free_port()
    made = LabOnGitHub.make(tmp_path / "lab", cache, port)
    with running(made.github, port):
        yield made


def test_an_honest_candidate_is_measured_and_reported(lab: LabOnGitHub) -> None:
    number = lab.open("exp/fewer-pixels", {"train.py": BETTER})
    run = lab.dispatch(number, PAIR)
    assert lab.engine.run(run) == "success", lab.engine.logs[run.id]
    archive = lab.artifact(run, "measurement")
    assert archive is not None
    published = parse_published(read_one(archive, DOCUMENT, MOST_BYTES))
    baseline, candidate = published.measurements
    assert candidate.digests.candidate == candidate_digest({"train.py": BETTER.encode()})
    assert baseline.digests.candidate == candidate_digest({"train.py": TRAIN.encode()})
    assert candidate.metric is not None and baseline.metric is not None
    assert candidate.metric < baseline.metric
    (check,) = lab.github.checks.values()
    assert (check.external_id, check.conclusion) == (f"{number}.1", "neutral")
    assert check.head == lab.github.pulls[number].head
    assert f"mean_rank {candidate.metric:.4g}" in check.output["title"]
    woken = [one for one in lab.github.runs.values() if one.path.endswith("/step.yml")]
    assert [one.head_branch for one in woken] == ["main"]


def test_a_hidden_file_of_a_candidate_reaches_the_machine(lab: LabOnGitHub) -> None:
    settings = (lab.work / "bot.toml").read_text()
    paths = settings.replace("[candidate]\n", '[candidate]\npaths = ["train.py", ".rates"]\n')
    lab.push("main", {"bot.toml": paths, ".rates": "1\n"})
    number = lab.open("exp/hidden", {"train.py": BETTER, ".rates": "2\n"})
    run = lab.dispatch(number, PAIR)
    assert lab.engine.run(run) == "success", lab.engine.logs[run.id]


def test_a_project_with_a_scorer_of_its_own_is_measured(lab: LabOnGitHub, tmp_path: Path) -> None:
    for name, text in {
        "data/train.csv": "1,2\n2,4\n3,6\n",
        "hidden/test.csv": "4\n5\n",
        "private/answers.csv": "8\n10\n",
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    own = f"""
[candidate]
needs = ["score.py", "evaluation"]
command = ["python", "train.py"]
python = "{sys.executable}"

[task]
kind = "predictions"
scorer = "score.py"
inputs = "{tmp_path}/hidden/test.csv"
targets = "{tmp_path}/private/answers.csv"

[metric]
name = "error"

[[mount]]
source = "{tmp_path}/data"
target = "data"
"""
    _, _, rest = (lab.work / "bot.toml").read_text().partition("[sandbox]")
    lab.push("main", {**FILES, "bot.toml": f"{own}\n[sandbox]{rest}"})
    better = FILES["train.py"].replace("SHRINK = 0.5", "SHRINK = 1.0")
    number = lab.open("exp/shrink-less", {"train.py": better})
    run = lab.dispatch(number, PAIR)
    assert lab.engine.run(run) == "success", lab.engine.logs[run.id]
    archive = lab.artifact(run, "measurement")
    assert archive is not None
    published = parse_published(read_one(archive, DOCUMENT, MOST_BYTES))
    baseline, candidate = published.measurements
    assert (baseline.metric, candidate.metric) == (4.5, 0.0)
    assert not candidate.self_reported and candidate.secondary == {"worst": 0.0}
    (check,) = lab.github.checks.values()
    assert "error 0" in check.output["title"] and "self-reported" not in check.output["title"]
    judge = lab.open("exp/judge", {"score.py": "print('{\"error\": -1}')\n"})
    asked = lab.dispatch(judge, PAIR)
    assert lab.engine.run(asked) == "failure"
    assert "score.py" in lab.engine.logs[asked.id]


def conclusions(lab: LabOnGitHub) -> list[tuple[str, str | None]]:
    return [(check.external_id, check.conclusion) for check in lab.github.checks.values()]


def test_what_the_gate_refuses_reaches_no_machine_and_leaves_a_trace(lab: LabOnGitHub) -> None:
    evil = lab.work.with_name("evil")
    lab.engine.variables = {**lab.engine.variables, "MERGELAB_PYTHON": f"/usr/bin/touch {evil};"}
    workflow = lab.open(
        "exp/workflow", {"train.py": BETTER, ".github/workflows/measure.yml": "on: push\n"}
    )
    honest = lab.open("exp/honest", {"train.py": BETTER})
    lab.open("exp/hook", {"train.py": BETTER, "sitecustomize.py": f"open({str(evil)!r}, 'w')\n"})
    asked = {
        "not allowed": lab.dispatch(workflow, PAIR),
        "sitecustomize.py": lab.dispatch(3, PAIR),
        "is at": lab.dispatch(honest, PAIR, head_sha=lab.base),
        "must be a number": lab.dispatch(honest, PAIR, pr=f"$(touch {evil})"),
        "attempt": lab.dispatch(honest, PAIR, attempt=f"1.1; touch {evil} #"),
        "inputs: runs": lab.dispatch(honest, PAIR, runs=f'"; touch {evil}; echo "'),
        "not a commit of the base branch": lab.dispatch(
            honest, PAIR, base_sha=lab.github.pulls[workflow].head
        ),
    }
    for words, run in asked.items():
        assert lab.engine.run(run) == "failure"
        log = lab.engine.logs[run.id]
        assert words in log, log
        assert "Run Main Measure" not in log
        assert lab.artifact(run, "measurement") is None
    assert not evil.exists()
    assert conclusions(lab) == []
    steps = [run for run in lab.github.runs.values() if run.path.endswith("/step.yml")]
    assert len(steps) == len(asked), "the bot hears of each"


FORGERS = {
    "NaN": "print('{\"measurements\": [NaN, NaN]}')",
    "nothing": "",
    "a gigabyte": "import sys; sys.stdout.flush(); sys.stdout.truncate(1 << 30)",
    "a path": 'print(\'{"measurements": ["../../../../etc/passwd", "$(id)"]}\')',
    "the result of other files": "import json, subprocess, sys, pathlib; "
    "pathlib.Path('handover/candidate/train.py').write_bytes("
    "pathlib.Path('handover/baseline/train.py').read_bytes()); "
    "subprocess.run([sys.executable, *sys.argv[1:]], check=True)",
}


@pytest.mark.parametrize("what", FORGERS)
def test_a_machine_that_hands_back_something_else_is_not_believed(
    lab: LabOnGitHub, what: str
) -> None:
    forger = lab.work.with_name("forger")
    forger.write_text(f"#!{sys.executable}\n{FORGERS[what]}\n")
    forger.chmod(0o755)
    lab.engine.variables = {**lab.engine.variables, "MERGELAB_PYTHON": str(forger)}
    number = lab.open("exp/honest", {"train.py": BETTER})
    run = lab.dispatch(number, PAIR)
    assert lab.engine.run(run) == "failure"
    assert lab.artifact(run, "measurement") is None
    ((attempt, conclusion),) = conclusions(lab)
    assert attempt == f"{number}.1 refused in run {run.id}"
    assert conclusion == "cancelled"
    assert "::error title=Not believed" in lab.engine.logs[run.id]


def test_an_approval_of_another_head_is_none(lab: LabOnGitHub) -> None:
    number = lab.open("exp/stranger", {"train.py": BETTER})
    pull = lab.github.pulls[number]
    pull.user, pull.fork = lab.github.user("mallory"), True
    body = {"event": "APPROVE", "commit_id": lab.base}
    lab.call("POST", f"pulls/{number}/reviews", body, "grace-token")
    assert lab.engine.run(run := lab.dispatch(number, PAIR)) == "failure"
    assert "somebody with write permission has to approve" in lab.engine.logs[run.id]
    reader = lab.github.user("rita")
    review_by(lab.github, pull, reader, "APPROVED", "", pull.head)
    assert lab.engine.run(lab.dispatch(number, PAIR)) == "failure"
    lab.call(
        "POST", f"pulls/{number}/reviews", {"event": "APPROVE", "commit_id": pull.head},
        "grace-token",
    )  # fmt: skip
    assert lab.engine.run(run := lab.dispatch(number, PAIR)) == "success", lab.engine.logs[run.id]
