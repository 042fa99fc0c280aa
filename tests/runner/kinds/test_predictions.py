"""A project's own script, scored by its own scorer in a sandbox apart, run for real."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runner.batch import PlannedRun
from runner.digests import candidate_digest, harness_digest, shaping
from runner.errors import DataError, InvalidOutput, RequestError
from runner.kinds.base import Evidence, Launch, Numbers, Staged
from runner.kinds.predictions import read
from runner.measure import judged
from runner.request import Conditions
from runner.result import Measurement, Stage, Status
from runner.session import Session, open_session
from runner.settings import RunnerSettings
from runner.trial import Trial
from tests.bot.lab import git

# Least squares through the origin. It predicts rows of the inputs, one number a line.
TRAIN = """
import json, os, pathlib, random

SHRINK = 0.5  # 0 .. 1
out = pathlib.Path(os.environ["OUT_DIR"])
if os.environ["PHASE"] == "train":
    rows = [line.split(",") for line in open("data/train.csv")]
    top = sum(float(x) * float(y) for x, y in rows)
    weight = SHRINK * top / sum(float(x) ** 2 for x, y in rows)
    json.dump(weight, open(out / "model.json", "w"))
    print("r2: 1.0, and nobody believes it")
else:
    weight = json.load(open(os.path.join(os.environ["MODEL_DIR"], "model.json")))
    lines = (pathlib.Path(os.environ["DATA_DIR"]) / "test.csv").read_text().split()
    (out / "predictions.csv").write_text("".join(f"{weight * float(x)}\\n" for x in lines))
"""
SCORE = """
import json, os, pathlib

from evaluation.helper import mean

predictions = pathlib.Path(os.environ["PREDICTIONS_DIR"], "predictions.csv").read_text().split()
answers = pathlib.Path(os.environ["TARGETS_DIR"], "answers.csv").read_text().split()
if len(predictions) != len(answers):
    raise ValueError("wrong number of rows")
errors = [abs(float(p) - float(a)) for p, a in zip(predictions, answers)]
print("scored", len(errors))
print(json.dumps({"error": mean(errors), "worst": max(errors), "note": "text"}))
"""
HELPER = "def mean(values):\n    return sum(values) / len(values)\n"
FILES = {
    "train.py": TRAIN,
    "score.py": SCORE,
    "evaluation/helper.py": HELPER,
}
TASK = {
    "kind": "predictions",
    "inputs": "hidden/test.csv",
    "targets": "private/answers.csv",
    "scorer": "score.py",
}
GIVEN: dict[str, Any] = {
    "candidate": {"python": sys.executable, "needs": ["score.py", "evaluation"]},
    "task": TASK,
    "metric": {"name": "error"},
    "budget": {"profile": "cpu", "cpu_s": 5, "grace_s": 1, "smoke_s": 1, "predict_s": 5},
    "sandbox": {"memory_gb": 0.5, "output_mb": 16},
    "mount": [{"source": "data"}],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "data/train.csv": "1,2\n2,4\n3,6\n",
        "hidden/test.csv": "4\n5\n",
        "private/answers.csv": "8\n10\n",
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return tmp_path


def settings(**tables: Any) -> RunnerSettings:
    merged = dict(GIVEN)
    for name, table in tables.items():
        merged[name] = merged[name] | table if isinstance(table, dict) else table
    return RunnerSettings.model_validate(merged)


def opened(
    folder: Path, *, unconfined: bool = False, base: str | None = None, **tables: Any
) -> Session:
    return open_session(
        Conditions(repository=str(folder), base=base), settings(**tables), lambda _: None,
        unconfined=unconfined, cache=folder / ".cache",
    )  # fmt: skip


def run(session: Session, smoke: bool = False, **files: str) -> Measurement:
    texts = FILES | {f"{name}.py": text for name, text in files.items()}
    planned = PlannedRun("run", {path: text.encode() for path, text in texts.items()}, 7, smoke)
    session.task.check(planned.files)
    with session.batch(lambda _: None) as batch:
        (result,) = batch.run([planned])
    return result


def test_the_scorer_s_number_is_the_metric_and_no_word_of_the_script_is(project: Path) -> None:
    result = run(opened(project), smoke=True)
    assert (result.status, result.stage) == (Status.OK, Stage.SCORE), result.message
    assert (result.metric, result.secondary) == (4.5, {"worst": 5.0})
    assert not result.self_reported
    assert result.runner_class.data.startswith("own-")
    assert "nobody believes it" in result.log_tail and "scored" not in result.log_tail
    better = run(opened(project), train=TRAIN.replace("SHRINK = 0.5", "SHRINK = 1.0"))
    assert better.metric == 0.0


LOOKS = """
import os, pathlib
if os.environ["SEED"] != "7":
    raise KeyError("SEED")
for place in ("/scorer", "/targets", "/inputs", "/predictions", {private!r}, {hidden!r}):
    if os.path.exists(place):
        raise KeyError(place)
for folder, _, names in os.walk("/", onerror=lambda error: None):
    if "answers.csv" in names or (os.environ["PHASE"] == "train" and "test.csv" in names):
        raise KeyError(folder)
"""


def test_no_sandbox_of_the_candidate_holds_the_answers_and_training_no_inputs(
    project: Path,
) -> None:
    looks = LOOKS.format(private=str(project / "private"), hidden=str(project / "hidden"))
    result = run(opened(project), train=looks + TRAIN)
    assert result.status is Status.OK, (result.message, result.error)


def test_the_scorer_sees_nothing_that_an_experiment_can_change(project: Path) -> None:
    looks = """
import os
for place in ("/scorer/train.py", "/candidate", "/model", "/tmp/project", "/mounts"):
    if os.path.exists(place):
        raise KeyError(place)
"""
    result = run(opened(project), score=looks + SCORE)
    assert result.status is Status.OK, (result.message, result.error)


def test_what_the_scorer_refuses_is_invalid_output_and_its_words_stay_inside(
    project: Path,
) -> None:
    leaks = SCORE.replace('"wrong number of rows"', 'f"the answers are {answers}"')
    session = opened(project)
    result = run(session, train=TRAIN.replace("in lines", "in lines[:1]"), score=leaks)
    assert (result.status, result.stage) == (Status.INVALID_OUTPUT, Stage.SCORE)
    assert result.error is not None and result.error.type == "ValueError"
    assert result.error.line == leaks[: leaks.index("raise")].count("\n") + 1
    assert "answers are" not in result.model_dump_json()
    again = run(session, smoke=True, train=TRAIN.replace("in lines", "in lines[:1]"))
    assert (again.status, again.stage) == (Status.INVALID_OUTPUT, Stage.SMOKE)


def test_with_a_branch_only_the_scorer_that_is_committed_there_counts(project: Path) -> None:
    def identity() -> str:
        return opened(project, base="refs/heads/main").runner_class.id

    def commit(text: str) -> None:
        (project / "score.py").write_text(text)
        git(project, "add", "score.py")
        git(project, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "Score")

    git(project, "init", "-q", "-b", "main")
    commit(SCORE)
    first = identity()
    (project / "score.py").write_text("an edit\n")
    assert identity() == first
    commit("another\n")
    assert identity() != first


def test_the_name_of_the_metric_is_a_part_of_the_harness_where_it_chooses_the_number() -> None:
    def harness(**tables: Any) -> str:
        return harness_digest(shaping(settings(**tables)))

    assert harness() != harness(metric={"name": "worst"})
    reported = {"kind": "reported", "inputs": "", "targets": "", "scorer": ""}
    pattern = "error: (.+)"
    names = [harness(task=reported, metric={"pattern": pattern, "name": n}) for n in "ab"]
    assert names[0] == names[1]  # a label: the pattern chooses


@pytest.mark.parametrize("number", ["1e999", "nan", f"{10**400}"], ids=["1e999", "nan", "10**400"])
def test_predictions_that_are_no_finite_numbers_win_nothing(project: Path, number: str) -> None:
    odd = TRAIN.replace('f"{weight * float(x)}\\n"', f'"{number}\\n"')
    assert odd != TRAIN
    result = run(opened(project), train=odd)
    assert (result.status, result.stage) == (Status.INVALID_OUTPUT, Stage.SCORE), result.message
    # A scorer that computes with whole numbers has no infinity to print.
    whole = SCORE.replace("float(p) - float(a)", "int(p) - int(a)")
    again = run(opened(project), train=odd, score=whole)
    assert (again.status, again.metric) == (Status.INVALID_OUTPUT, None), again.message


def test_a_link_to_the_answers_is_no_prediction(project: Path) -> None:
    links = """
import os, pathlib
if os.environ["PHASE"] == "predict":
    link = pathlib.Path(os.environ["OUT_DIR"], "predictions.csv")
    link.symlink_to("/targets/answers.csv")
    raise SystemExit
"""
    result = run(opened(project), train=links + TRAIN)
    assert (result.status, result.metric) == (Status.INVALID_OUTPUT, None), result.message


def test_names_with_digits_stay_whole_where_numbers_are_hidden(project: Path) -> None:
    message = run(opened(project, metric={"name": "f1"})).message
    assert message == "the scorer printed no finite number called f1, but error, worst"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("images.npy has shape (17, 3), not 64", "images.npy has shape (#, #), not #"),
        ("values beyond 1e+30, 0x1f", "values beyond #e+#, #x#f"),
        ("no number called recall@10, but top-1", "no number called recall@10, but top-1"),
    ],
)
def test_numbers_that_a_candidate_could_choose_are_hidden(reason: str, told: str) -> None:
    def judge(evidence: Evidence) -> Numbers:
        raise InvalidOutput(reason)

    trial = Trial()
    staged = Staged(Launch(("true",)), {"inputs": Path()}, judge)
    judged(trial, staged)
    assert trial.failure is not None
    assert trial.failure.message == told


def test_a_script_that_predicts_nothing_has_no_metric(project: Path) -> None:
    result = run(opened(project), train=TRAIN.replace('(out / "p', '(out / "/tmp/p'))
    assert (result.status, result.stage) == (Status.INVALID_OUTPUT, Stage.PREDICT)
    assert "wrote no file into OUT_DIR" in result.message


def test_a_smoke_run_that_still_trains_is_not_asked_for_predictions(project: Path) -> None:
    slow = TRAIN.replace("    print(", "    import time; time.sleep(2)\n    print(")
    result = run(opened(project, budget={"smoke_s": 0.3, "grace_s": 0}), smoke=True, train=slow)
    assert (result.status, result.metric) == (Status.OK, 4.5), result.message


def test_without_a_sandbox_the_same_contract_holds(project: Path) -> None:
    result = run(opened(project, unconfined=True, sandbox={"backend": "none"}))
    assert (result.status, result.metric) == (Status.OK, 4.5), result.message


def test_other_inputs_answers_or_scorers_are_another_identity(project: Path) -> None:
    first = opened(project)
    (project / "private/answers.csv").write_text("8\n11\n")
    second = opened(project)
    assert first.task.digest != second.task.digest
    assert first.runner_class.id != second.runner_class.id
    (project / "score.py").write_text(SCORE)
    third = opened(project)
    assert len({one.runner_class.id for one in (first, second, third)}) == 3
    changed = FILES | {"score.py": SCORE + "\n"}
    digests = [
        candidate_digest({path: text.encode() for path, text in files.items()})
        for files in (FILES, changed)
    ]
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"task": {"inputs": ""}}, "task.inputs must be set"),
        ({"task": {"scorer": ""}}, "task.scorer must be set"),
        ({"task": {"scorer": "train.py"}}, "write its own score"),
        ({"task": {"scorer": "other.py"}}, "must be named in candidate.needs"),
        ({"task": {"scorer": "../score.py"}}, "plain relative path"),
        ({"task": {"targets": "data/answers.csv"}}, "Keep it apart"),
        ({"task": {"inputs": "evaluation/test.csv"}}, "Keep it apart"),
        ({"task": {"targets": "hidden"}}, "overlap"),
        ({"task": {"sealed_inputs": "other"}}, "set both or neither"),
        ({"task": {"sealed_inputs": "hidden", "sealed_targets": "x"}}, "overlap"),
        ({"task": {"sealed_inputs": "other", "sealed_targets": "data/x"}}, "Keep it apart"),
        ({"mount": [{"source": "more", "target": "/data/more"}]}, "where predicting finds"),
        ({"task": {"stop_at_budget": True}}, "leaves nothing to predict with"),
        ({"metric": {"pattern": "(.)"}}, "the scorer names its numbers itself"),
        ({"task": {"kind": "reported"}, "metric": {"pattern": "(.)"}}, "can only be set with"),
    ],
)
def test_settings_that_would_let_the_score_be_forged_are_refused(
    tables: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**tables)


def test_answers_that_a_link_shows_elsewhere_are_refused(project: Path) -> None:
    (project / "more").symlink_to(project / "private")
    with pytest.raises(DataError, match="overlaps with"):
        opened(project, mount=[{"source": "data"}, {"source": "more"}])
    with pytest.raises(DataError, match="is not there"):
        opened(project, task={"targets": "nowhere.csv"})


def test_answers_among_the_files_of_the_candidate_are_refused(project: Path) -> None:
    session = opened(project, task={"targets": str(project / "private")})
    with pytest.raises(RequestError, match=r"belongs to task\.targets"):
        session.task.check({"train.py": b"", "private/answers.csv": b""})


SEALED = {"sealed_inputs": "other/test.csv", "sealed_targets": "secret.csv"}


def sealed_session(project: Path, **conditions: Any) -> Session:
    (project / "other").mkdir(exist_ok=True)
    (project / "other/test.csv").write_text("10\n")
    (project / "secret.csv").write_text("30\n")
    asked = Conditions(repository=str(project), **conditions)
    read = settings(task=SEALED)
    return open_session(asked, read, lambda _: None, unconfined=False, cache=project / ".cache")


def test_an_audit_scores_the_sealed_split_of_the_same_training(project: Path) -> None:
    result = run(sealed_session(project, sealed=True))
    assert (result.status, result.metric) == (Status.OK, 4.5), result.message
    assert result.sealed is not None
    assert (result.sealed.metric, result.sealed.secondary) == (20.0, {"worst": 20.0})
    assert run(sealed_session(project)).sealed is None, "nobody asked for it"
    assert run(sealed_session(project, split="sealed")).metric == 20.0


def test_what_fails_on_the_sealed_split_alone_changes_nothing_of_the_run(project: Path) -> None:
    picky = TRAIN + '\nif os.environ["PHASE"] == "predict" and len(lines) == 1: raise KeyError\n'
    result = run(sealed_session(project, sealed=True), train=picky)
    assert (result.status, result.metric, result.sealed) == (Status.OK, 4.5, None)
    score = SCORE + '\nif len(answers) == 1: raise KeyError("secret")\n'
    result = run(sealed_session(project, sealed=True), score=score)
    assert (result.status, result.metric, result.sealed) == (Status.OK, 4.5, None)


def test_a_prediction_cannot_tell_which_split_it_is_for(project: Path) -> None:
    tells = """
words = open("/proc/self/mountinfo").read() + repr(os.environ)
if os.environ["PHASE"] == "predict" and ("other" in words or "hidden" in words or "seal" in words):
    raise KeyError(words)
"""
    result = run(sealed_session(project, sealed=True), train="import os\n" + tells + TRAIN)
    assert (result.status, result.message) == (Status.OK, "")
    assert result.sealed is not None


def test_inputs_are_copied_once_for_all_runs_of_a_batch(project: Path, tmp_path: Path) -> None:
    task = sealed_session(project).task
    full, smoke, sealed = (
        task.full("validation", tmp_path),
        task.smoke(tmp_path),
        task.sealed(tmp_path),
    )
    assert sealed is not None
    assert full.inputs == smoke.inputs != sealed.inputs
    next_batch = tmp_path / "next"
    next_batch.mkdir()
    (copy,) = task.full("validation", next_batch).inputs.values()
    assert copy.is_relative_to(next_batch)
    assert [file.read_text() for file in copy.iterdir()] == [
        (project / "hidden/test.csv").read_text()
    ]


def test_without_one_there_is_no_sealed_split(project: Path) -> None:
    conditions = Conditions(repository=str(project), split="sealed")
    with pytest.raises(RequestError, match="no sealed split"):
        open_session(conditions, settings(), lambda _: None, unconfined=False)
    assert run(opened(project)).sealed is None


def test_other_sealed_answers_are_another_identity(project: Path) -> None:
    first = sealed_session(project)
    (project / "secret.csv").write_text("31\n")
    read = settings(task=SEALED)
    asked = Conditions(repository=str(project))
    second = open_session(asked, read, lambda _: None, unconfined=False, cache=project / ".cache")
    assert first.task.digest != second.task.digest
    assert opened(project).task.digest not in {first.task.digest, second.task.digest}
    harness = {harness_digest(shaping(one)) for one in (read, settings())}
    assert len(harness) == 1, "where the data lies makes no number another one"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "error: 3",
        "[3]",
        "{",
        '{"error": NaN}',
        '{"error": 1e999}',
        f'{{"error": {10**400}}}',
        f'{{"error": -{10**400}}}',
        f'{{"error": {"9" * 5000}}}',
        '{"error": true}',
        '{"error": "3"}',
        '{"Error": 3}',
        '{"error": 3, "error": null}',
        '{"error": 3}\n{"other": 3}',
        '{"a": ' * 5000,
        json.dumps({"error": 1, **{f"n{number}": 1 for number in range(60)}}),
    ],
)
def test_what_is_no_number_is_no_metric(said: str) -> None:
    with pytest.raises(InvalidOutput):
        read(said.encode(), "error")


@given(st.binary(max_size=300))
def test_reading_what_a_scorer_printed_never_fails_otherwise(said: bytes) -> None:
    try:
        numbers = read(said, "error")
    except InvalidOutput:
        return
    assert isinstance(numbers.metric, int | float)
