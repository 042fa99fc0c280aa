"""The judge can say no: each kind of evidence alone makes an attack count as not blocked."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.redteam.case import Case, Family
from runner.redteam.judge import Evidence, judge
from runner.redteam.observe import Attempt, Observation
from runner.redteam.play import Play
from runner.redteam.suite import SUITE
from runner.result import Digests, Measurement, RunnerClass, Stage, Status
from runner.sandbox import arguments
from runner.sandbox.base import Ended, Job, Limits, Outcome

CASE = Case(Family.FORGING, "ties")
HONEST = 12.0


def measurement(**more: Any) -> Measurement:
    names = ("id", "device", "profile", "data", "interpreter", "torch", "driver", "sandbox")
    same = RunnerClass(**dict.fromkeys(names, "x"), budget_s=1.0)
    digests = Digests(candidate="c", data="d", scorer="s", harness="h")
    facts = {"status": Status.OK, "stage": Stage.SCORE, "metric": HONEST, "seed": 1}
    return Measurement(**{**facts, "runner_class": same, "digests": digests, **more})


def observation(**more: Any) -> Observation:
    outcome = Outcome(ended=Ended.EXITED, wall_s=0.1, log_tail=b"", log_bytes_total=0, exit_code=0)
    job = Job(argv=("/bin/true",), limits=Limits(wall_s=1, memory_bytes=1 << 20))
    facts = {"attempts": (), "tried": True, "namespaces": {}, "leaked": 0}
    return Observation(**{"job": job, "outcome": outcome, **facts, **more})


def evidence(**more: Any) -> Evidence:
    facts = {"events": (), "damage": (), "survivors": (), "took_s": 1.0, "captions": ("a cat",)}
    seen = {"measurements": (measurement(),), "observations": (observation(),)}
    return Evidence(**{**seen, **facts, **more})


def outcome(**more: Any) -> Outcome:
    return replace(observation().outcome, **more)


def test_without_a_problem_it_is_blocked() -> None:
    assert judge(CASE, evidence(), HONEST).blocked


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"measurements": (measurement(metric=11.9),)}, "better metric"),
        ({"measurements": (measurement(status=Status.CRASHED, metric=None),)}, "not tried"),
        ({"measurements": ()}, "0 results"),
        ({"measurements": (measurement(log_tail="\x1b[2J"),)}, "not plain text in log_tail"),
        ({"measurements": (measurement(message="x\u202ey"),)}, "not plain text in message"),
        ({"measurements": (measurement(message="two\nlines"),)}, "more than a line"),
        ({"measurements": (measurement(log_tail="saw a cat"),)}, "evaluation inputs"),
        ({"damage": ("a service of the host was reached",)}, "was reached"),
        ({"survivors": ("17 python",)}, "outlived its run: 17 python"),
        ({"took_s": 100.0}, "kept the runner busy"),
        ({"observations": (observation(leaked=1),)}, "secrets came out"),
        ({"observations": (observation(attempts=(Attempt("mount", True, "1"),)),)}, "mount: done"),
        ({"observations": (observation(outcome=outcome(wall_s=60.0)),)}, "ran 60 s"),
        ({"observations": (observation(outcome=outcome(peak_memory_bytes=1 << 30)),)}, "of memory"),
        ({"observations": (observation(outcome=outcome(log_tail=bytes(1 << 20))),)}, "longer"),
    ],
)  # fmt: skip
def test_any_one_problem_is_enough(more: dict[str, Any], word: str) -> None:
    finding = judge(CASE, evidence(**more), HONEST)
    assert not finding.blocked
    assert word in finding.by


def test_what_stopped_it_is_told_from_what_was_seen() -> None:
    tried = (Attempt("mount proc", False, "EPERM"), Attempt("read", False, "ENOENT"))
    finding = judge(CASE, evidence(observations=(observation(attempts=tried),)), HONEST)
    assert finding.by == "system-call filter; not in the sandbox's file system"


def attacked(play: Play, name: str) -> str:
    """What an attack achieved; it must have achieved something."""
    case = next(case for case in SUITE if case.name == name)
    finding = play.attack(case, play.honest())
    assert not finding.blocked, finding
    return finding.by


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("targets_by_path", "secrets came out"),
        ("dot_dot_from_data", "up by descriptor: done"),
        ("host_services", "a service of the host was reached (AF_INET)"),
        ("abstract_sockets", "a service of the host was reached (AF_UNIX)"),
        ("other_processes", "read through root: done"),
    ],
)
def test_without_a_sandbox_attacks_succeed(name: str, word: str, unconfined: Play) -> None:
    assert word in attacked(unconfined, name)


@pytest.mark.parametrize(
    ("name", "word"),
    [("detached_children", "outlived its run"), ("leftover_helper", "call the helper: done")],
)
def test_without_a_sandbox_processes_live_on(name: str, word: str, unconfined: Play) -> None:
    assert word in attacked(unconfined, name)


def test_a_scorer_that_unpickles_is_found_out(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(folder: Path, group: str, pairs: int) -> Any:
        return np.load(folder / "predictions.npy", allow_pickle=True)

    monkeypatch.setattr("runner.task.score.read_predictions", careless)
    monkeypatch.setattr("runner.batch.judged", _forgiving)
    assert "code of the candidate ran outside: it made pickle" in attacked(play, "pickled_object")


def _forgiving(trial: Any, staged: Any, *_: Any) -> Any:
    from runner.kinds.base import Numbers
    from runner.measure import Scored

    if trial.failure is None:
        with np.errstate(all="ignore"):
            try:
                staged.judge(trial.evidence)
            except Exception as error:
                assert error is not None
    return Scored(trial, Numbers(HONEST, {}))


def test_counters_of_the_machine_do_carry_messages_where_they_are_shown(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "_masks", lambda: ())
    assert "read the number: done" in attacked(play, "kernel_counters")


def test_the_scene_notices_what_is_done_to_it(play: Play) -> None:
    scene = play.scene
    assert scene.damage() == []
    for listener in scene.listeners:
        with socket.socket(listener.family, listener.type) as caller:
            caller.connect(listener.getsockname())
            if listener.type == socket.SOCK_DGRAM:
                caller.send(b"x")
    assert len(scene.damage()) == len(scene.listeners)
    (scene.drop / "made").touch()
    scene.canary.write_text("changed")
    scene.victim.send_signal(signal.SIGSTOP)
    _, status = os.waitpid(scene.victim.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    try:
        assert scene.damage() == [
            "a process of the host was stopped",
            "code of the candidate ran outside: it made made",
            "a file of the host was changed",
        ]
    finally:
        scene.canary.write_text(scene.canary_text)
        scene.victim.send_signal(signal.SIGCONT)
    assert scene.damage() == []
