from __future__ import annotations

import itertools

import pytest

from runner.digests import candidate_digest
from runner.events import Event, StageEvent
from runner.result import CandidateError, Stage, Status
from tests.runner import candidates
from tests.runner.candidates import HONEST, candidate
from tests.runner.conftest import Measure
from tests.runner.processes import survivors


def test_an_honest_candidate_gets_a_metric_from_the_scorer(measure: Measure) -> None:
    (result,) = measure((HONEST, 3), smoke=True)
    assert result.status is Status.OK, result
    assert (result.stage, result.seed, result.message) == (Stage.SCORE, 3, "")
    assert result.metric is not None
    assert 1 <= result.metric <= 64
    assert set(result.secondary) == {"median_rank", "recall@1", "recall@5"}
    assert min(result.smoke_s, result.train_s, result.predict_s) > 0
    assert result.digests.candidate == candidate_digest({"train.py": HONEST.encode()})
    assert [loss for _, loss in result.curve] == [2.5]
    assert result.log_tail.startswith("step 1  loss 2.5")


def test_the_seed_is_the_runners_and_reaches_the_candidate(measure: Measure) -> None:
    first, again, *others = measure(*((HONEST, seed) for seed in (1, 1, 2, 3, 4)))
    assert first.metric == again.metric
    # Two of so few pairs' ranks may be the same by chance, but not again and again.
    assert any(other.metric != first.metric for other in others)


CONTRACT = candidate(
    train="""
    wanted = {'PHASE', 'SEED', 'DATA_DIR', 'OUT_DIR', 'TIME_BUDGET_S', 'PYTHONHASHSEED'}
    assert wanted <= set(os.environ), os.environ
    assert set(os.environ) <= wanted | {'PATH', 'HOME', 'LANG', 'PWD', 'LC_CTYPE'}, os.environ
    assert os.getcwd() == '/candidate'
    assert os.listdir('/candidate') == ['train.py']
    assert float(os.environ['TIME_BUDGET_S']) == 10
    """,
    predict="""
    wanted = {'PHASE', 'GROUP', 'MODEL_DIR', 'DATA_DIR', 'OUT_DIR', 'TIME_BUDGET_S'}
    wanted |= {'PYTHONHASHSEED'}
    assert set(os.environ) <= wanted | {'PATH', 'HOME', 'LANG', 'PWD', 'LC_CTYPE'}, os.environ
    seen = os.listdir(data)
    assert seen == {'images': ['images.npy'], 'captions': ['captions.json']}[os.environ['GROUP']]
    assert os.listdir(os.environ['MODEL_DIR']) == ['weights.json']
    """,
)
WRITES = """
for place in (data, '/candidate', os.environ.get('MODEL_DIR', '/')):
    try:
        pathlib.Path(place, 'x').write_text('x')
    except OSError:
        continue
    sys.exit('could write to ' + str(place))
"""


def test_both_phases_see_what_the_contract_says_and_nothing_else(measure: Measure) -> None:
    (result,) = measure((CONTRACT, 0))
    assert result.status is Status.OK, result


def test_only_the_output_folder_can_be_written(measure: Measure) -> None:
    (result,) = measure((candidate(train=WRITES, predict=WRITES), 0))
    assert result.status is Status.OK, result


def test_groups_of_one_split_share_nothing_that_can_be_written(measure: Measure) -> None:
    leave_a_note = """
    for place in ('/tmp', '/dev/shm', str(out), '/'):
        assert not pathlib.Path(place, 'note').exists()
        try:
            pathlib.Path(place, 'note').write_text(os.environ['GROUP'])
        except OSError:
            pass
    """
    (result,) = measure((candidate(predict=leave_a_note), 0))
    assert result.status is Status.OK, result


def test_a_typo_costs_a_smoke_run_and_no_training(measure: Measure, events: list[Event]) -> None:
    (result,) = measure((candidates.SYNTAX_ERROR, 0), smoke=True)
    line = candidates.SYNTAX_ERROR.split("\n").index("def train(:") + 1
    assert (result.status, result.stage) == (Status.CRASHED, Stage.SMOKE)
    assert result.error == CandidateError(type="SyntaxError", line=line, stage=Stage.SMOKE)
    assert result.train_s == 0 < result.smoke_s
    assert [event.stage for event in events if isinstance(event, StageEvent)] == [Stage.SMOKE]


def test_a_wrong_shape_is_found_by_the_smoke_run(measure: Measure) -> None:
    (result,) = measure((candidate(predict="result = result[:3]"), 0), smoke=True)
    assert (result.status, result.stage) == (Status.INVALID_OUTPUT, Stage.SMOKE)
    assert "shape" in result.message


def test_a_crash_in_the_full_run_names_type_and_line(measure: Measure) -> None:
    (result,) = measure((candidates.CRASHES_LATE, 0), smoke=True)
    assert (result.status, result.stage, result.exit_code) == (Status.CRASHED, Stage.TRAIN, 1)
    assert result.error is not None
    assert result.error.type == "ValueError"
    assert "only in the full run" in result.log_tail
    assert result.metric is None


def test_training_is_killed_at_its_budget_and_grace(measure: Measure) -> None:
    (result,) = measure((candidates.SLEEPS, 40_001), hurry=True)
    assert (result.status, result.stage) == (Status.TIMED_OUT, Stage.TRAIN)
    assert result.train_s >= 1
    assert survivors(40_001) == []


def test_memory_beyond_the_limit_is_out_of_memory(measure: Measure) -> None:
    (result,) = measure((candidates.EATS_MEMORY, 40_002))
    assert result.status is Status.OUT_OF_MEMORY, result
    assert survivors(40_002) == []


def test_a_python_memory_error_is_out_of_memory_too(measure: Measure) -> None:
    (result,) = measure((candidates.RAISES_MEMORY_ERROR, 0))
    assert result.status is Status.OUT_OF_MEMORY


INVALID = {
    "nothing": "sys.exit(0)",
    "wrong rows": "result = result[:-1]",
    "one dimension": "result = [row[0] for row in result]",
    "not finite": "result[0][0] = float('nan')",
    "objects": "kind = '|O'",
    "integers": "kind = '<i8'",
    "no array": "(out / 'predictions.npy').write_text('hello'); sys.exit(0)",
    "a link": "os.symlink('/etc/passwd', out / 'predictions.npy'); sys.exit(0)",
    "a pipe": "os.mkfifo(out / 'predictions.npy'); sys.exit(0)",
    "a folder": "(out / 'predictions.npy').mkdir(); sys.exit(0)",
    "different widths": "result = [row[: len(os.environ['GROUP']) // 2] for row in result]",
}


@pytest.mark.parametrize("name", INVALID)
def test_predictions_that_cannot_be_scored_are_invalid_output(name: str, measure: Measure) -> None:
    (result,) = measure((candidate(predict=INVALID[name]), 0))
    assert result.status is Status.INVALID_OUTPUT, result
    assert result.metric is None
    assert result.message


def test_a_full_output_folder_does_not_reach_the_host(measure: Measure) -> None:
    fill = "open(out / 'big', 'wb').write(bytes(64 << 20))"
    (result,) = measure((candidate(train=fill), 0))
    assert result.status in {Status.INVALID_OUTPUT, Status.CRASHED}, result


def test_printed_numbers_mean_nothing(measure: Measure) -> None:
    boast, honest = measure((candidates.BOASTS, 1), (HONEST, 1))
    assert boast.metric == honest.metric != 1.0
    assert boast.self_reported is False


TELLS = """
if os.environ['GROUP'] == 'captions':
    secret = ' / '.join(json.loads((data / 'captions.json').read_text())[:3])
    print(secret, 'SENTINEL-zq7x', flush=True)
    print(secret, 'SENTINEL-zq7x', file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("", None),
        ("    raise ValueError(secret + 'SENTINEL-zq7x')", "ValueError"),
        # Put together while running, as if from an input: a word of the source is no secret.
        ("    raise type('SENTINEL_' + 'zq7x', (Exception,), {})()", "Error"),
        ("    (out / ('SENTINEL-' + 'zq7x')).symlink_to('/etc/passwd')", None),
    ],
)
def test_nothing_that_predicting_says_leaves_the_runner(
    more: str, error: str | None, measure: Measure, events: list[Event]
) -> None:
    (result,) = measure((candidate(predict=TELLS + more), 0))
    everything = result.model_dump_json() + repr(events)
    assert "zq7x" not in everything
    assert " background" not in everything
    assert (result.status is Status.OK) == (more == "")
    assert (result.error.type if result.error else None) == error


def test_what_a_child_writes_after_the_candidate_has_ended_is_lost(measure: Measure) -> None:
    late, honest = measure((candidates.LEAVES_A_CHILD, 40_003), (HONEST, 40_003))
    assert late.status is Status.OK, late
    assert late.metric == honest.metric
    assert survivors(40_003) == []


def test_the_log_tail_is_bounded_and_safe_to_show(measure: Measure) -> None:
    shout = "print('\\x1b[2J\\u202e' + 'x' * 99_999)\nprint('the end \\x07')"
    (result,) = measure((candidate(train=shout), 0))
    assert len(result.log_tail.encode()) <= 8192
    assert result.log_tail.endswith("the end \n")
    assert not set("\x1b\x07\u202e") & set(result.log_tail)


def test_a_batch_runs_in_the_given_order_with_one_smoke_run_for_each_candidate(
    measure: Measure, events: list[Event]
) -> None:
    runs = [(HONEST, 1, "a1"), (candidates.OTHER_HONEST, 1, "b1"), (HONEST, 2, "a2")]
    runs += [(candidates.OTHER_HONEST, 2, "b2")]
    results = measure(*runs, smoke=True)
    assert [result.status for result in results] == [Status.OK] * 4
    stages = [(event.run, event.stage) for event in events if isinstance(event, StageEvent)]
    passes = [key for key, _ in itertools.groupby(stages)]
    full = [(name, stage) for name in ("a1", "b1", "a2", "b2") for stage in ("train", "predict")]
    full.insert(0, ("a1", "smoke"))
    full.insert(3, ("b1", "smoke"))
    assert passes == full


def test_a_candidate_refused_by_its_smoke_run_is_not_run_again(
    measure: Measure, events: list[Event]
) -> None:
    results = measure((candidates.CRASHES, 1), (HONEST, 1), (candidates.CRASHES, 2), smoke=True)
    assert [result.status for result in results] == [Status.CRASHED, Status.OK, Status.CRASHED]
    assert [result.seed for result in results] == [1, 1, 2]
    assert not [event for event in events if isinstance(event, StageEvent) if event.run == "run-2"]


def test_one_bad_seed_does_not_spoil_the_others(measure: Measure) -> None:
    results = measure(*[(candidates.CRASHES_ON_SEED_7, seed) for seed in (6, 7, 8)], smoke=True)
    assert [result.status for result in results] == [Status.OK, Status.CRASHED, Status.OK]
    assert results[1].exit_code == 3
