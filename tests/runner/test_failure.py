from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.failure import Failure, failure_of, find_error
from runner.result import CandidateError, Stage, Status
from runner.sandbox.base import Ended, Outcome


def outcome(
    ended: Ended = Ended.EXITED, log: bytes = b"", code: int | None = 0, note: str = ""
) -> Outcome:
    return Outcome(ended, 1.5, log, len(log), exit_code=code, note=note)


def failed(result: Outcome, source: bytes = b"x\n" * 50, private: bool = False) -> Failure:
    failure = failure_of(result, Stage.TRAIN, "training", {"train.py": source}, private=private)
    assert failure is not None
    return failure


def traceback_of(source: str, tmp_path: Path) -> tuple[str, dict[str, bytes]]:
    """What Python itself prints for this program, as if it lay where a sandbox has it."""
    (tmp_path / "train.py").write_text(source)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "train.py")], capture_output=True, text=True, check=False
    )
    log = done.stdout + done.stderr
    return log.replace(str(tmp_path), "/candidate"), {"train.py": source.encode()}


def test_a_job_that_ends_by_itself_with_code_0_is_no_failure() -> None:
    assert failure_of(outcome(), Stage.TRAIN, "training", {}, private=False) is None


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        (Ended.TIMED_OUT, Status.TIMED_OUT),
        (Ended.OUT_OF_MEMORY, Status.OUT_OF_MEMORY),
        (Ended.OUTPUT_LIMIT, Status.INVALID_OUTPUT),
    ],
)
def test_what_the_sandbox_saw_from_outside_outweighs_what_the_log_says(
    ended: Ended, status: Status
) -> None:
    log = b"Traceback (most recent call last):\nMemoryError\n"
    assert failed(outcome(ended, log, None)).status is status


PROGRAMS = {
    "raise": ("\n\ndef f():\n    raise ValueError('no')\nf()\n", "ValueError", 4),
    "library": ("import json\njson.loads('{')\n", "JSONDecodeError", 2),
    "syntax": ("x = 1\ny = = 2\n", "SyntaxError", 2),
    "indent": ("if 1:\nx = 2\n", "IndentationError", 2),
    "own": ("class Oops(Exception): pass\nraise Oops\n", "Oops", 2),
    "chained": ("try:\n    1/0\nexcept Exception:\n    raise KeyError('a')\n", "KeyError", 4),
    "cause": ("try:\n    1/0\nexcept Exception as e:\n    raise OSError from e\n", "OSError", 4),
    "message": ("raise RuntimeError('one\\ntwo: x\\n')\n", "RuntimeError", 1),
    "recursion": ("def f(): f()\nf()\n", "RecursionError", 1),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_type_and_line_are_read_from_what_python_prints(name: str, tmp_path: Path) -> None:
    source, expected, line = PROGRAMS[name]
    log, files = traceback_of(source, tmp_path)
    if name == "library":  # a type that the source does not name says nothing but "Error"
        expected = "Error"
    assert find_error(log, Stage.TRAIN, files) == CandidateError(
        type=expected, line=line, stage=Stage.TRAIN
    )


def test_a_python_memory_error_is_out_of_memory(tmp_path: Path) -> None:
    log, files = traceback_of("raise MemoryError\n", tmp_path)
    failure = failed(outcome(code=1, log=log.encode()), files["train.py"])
    assert failure.status is Status.OUT_OF_MEMORY


def test_torch_running_out_of_gpu_memory_is_out_of_memory() -> None:
    log = (
        "Traceback (most recent call last):\n"
        '  File "/candidate/train.py", line 3, in <module>\n'
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n"
    )
    failure = failed(outcome(code=1, log=log.encode()))
    assert failure.status is Status.OUT_OF_MEMORY
    assert failure.error == CandidateError(type="OutOfMemoryError", line=3, stage=Stage.TRAIN)


def test_the_exit_code_alone_makes_a_crash_without_a_type() -> None:
    failure = failed(outcome(code=3, log=b"goodbye\n"))
    assert (failure.status, failure.error) == (Status.CRASHED, None)
    assert "exit code 3" in failure.message


def test_a_name_made_up_while_running_is_not_passed_on() -> None:
    log = (
        "Traceback (most recent call last):\n"
        '  File "/candidate/train.py", line 2, in <module>\n'
        "the_secret_caption_was_red_apple: x\n"
    )
    error = find_error(log, Stage.PREDICT, {"train.py": b"raise type(name, (Exception,), {})\n\n"})
    assert error == CandidateError(type="Error", line=2, stage=Stage.PREDICT)


def test_a_line_that_does_not_exist_is_not_passed_on() -> None:
    log = (
        "Traceback (most recent call last):\n"
        '  File "/candidate/train.py", line 271828, in <module>\n'
        '  File "/usr/lib/python3/json.py", line 7, in loads\n'
        "ValueError: x\n"
    )
    error = find_error(log, Stage.PREDICT, {"train.py": b"1\n2\n"})
    assert error == CandidateError(type="ValueError", line=None, stage=Stage.PREDICT)


def test_names_of_files_left_behind_are_not_passed_on_from_a_private_phase() -> None:
    leaked = outcome(Ended.OUTPUT_LIMIT, code=None, note="red_apple.txt is a link")
    assert "red_apple" not in failed(leaked, private=True).message
    assert "red_apple" in failed(leaked, private=False).message


PIECES = [
    "Traceback (most recent call last):\n",
    '  File "/candidate/train.py", line 1, in f\n',
    '  File "/candidate/train.py", line ' + "9" * 40 + ", in f\n",
    "ValueError: x\n",
    "A." * 500 + "B\n",
    "\x1b[31m\n",
    "   ^^^\n",
    "MemoryError",
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=12))
def test_any_log_gives_a_known_name_and_a_real_line_or_nothing(pieces: list[str]) -> None:
    error = find_error("".join(pieces), Stage.TRAIN, {"train.py": b"one\ntwo\n"})
    if error is not None:
        assert error.type in {"ValueError", "MemoryError", "Error"} or error.type.isidentifier()
        assert error.line in {None, 1, 2, 3}


def test_a_log_full_of_tracebacks_searches_the_source_once() -> None:
    source = b"word_%d = 1\n" * 15_000
    pair = (
        'Traceback (most recent call last):\n  File "/candidate/train.py", line 1\nNoSuchName: x\n'
    )
    error = find_error(pair * 3_000, Stage.TRAIN, {"train.py": source})
    assert error is not None
    assert error.type == "Error"


def test_torch_running_out_of_memory_on_a_cpu_is_out_of_memory() -> None:
    log = (
        "Traceback (most recent call last):\n"
        '  File "/candidate/train.py", line 1, in <module>\n'
        "RuntimeError: [enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate "
        "memory: you tried to allocate 4000000000000 bytes.\n"
    )
    outcome = Outcome(Ended.EXITED, 1.0, log.encode(), len(log), exit_code=1)
    failure = failure_of(outcome, Stage.TRAIN, "training", {"train.py": b"x\n"}, private=False)
    assert failure is not None
    assert failure.status is Status.OUT_OF_MEMORY


def test_of_a_prediction_neither_exit_code_nor_signal_is_told() -> None:
    for code, signal in ((77, None), (None, 12)):
        outcome = Outcome(Ended.EXITED, 1.0, b"", 0, exit_code=code, signal=signal)
        failure = failure_of(outcome, Stage.PREDICT, "prediction", {}, private=True)
        assert failure is not None
        assert failure.message == "prediction crashed"
