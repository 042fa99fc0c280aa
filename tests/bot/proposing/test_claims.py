from __future__ import annotations

import os
import subprocess
import sys

from bot.proposing.claims import LAPSES_S, Claim, holds, own

STEP = {"GITHUB_ACTIONS": "true", "GITHUB_WORKFLOW_REF": "a/b/.github/workflows/step.yml@main"}


def test_a_living_process_holds_it_however_long_it_is_silent() -> None:
    assert holds(own(), 10 * LAPSES_S)


def test_a_process_of_this_machine_that_is_gone_holds_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = own().model_copy(update={"pid": process.pid})
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not cleared away yet
    assert not holds(born, 0)
    process.wait()
    process.stdin.close() if process.stdin else None
    assert not holds(born, 0)


def test_another_process_with_the_same_number_holds_nothing() -> None:
    assert not holds(own().model_copy(update={"born": "12"}), 0)


def test_of_another_machine_only_silence_tells() -> None:
    there = Claim(host="elsewhere", pid=1, born="1")
    assert holds(there, 0) and holds(there, LAPSES_S - 1)
    assert not holds(there, LAPSES_S) and not holds(there, -LAPSES_S)


def test_a_later_run_of_the_workflow_knows_that_the_earlier_one_is_over() -> None:
    earlier = own({**STEP, "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1"})
    later = {**STEP, "GITHUB_RUN_ID": "2", "GITHUB_RUN_ATTEMPT": "1"}
    assert holds(earlier, 0, {**STEP, "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1"})
    assert not holds(earlier, 0, later)
    assert holds(earlier, 0, {}), "a laptop cannot tell"


def test_nobody_holds_what_was_released() -> None:
    assert not holds(None, 0)
