from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runner.sandbox import orphans
from runner.sandbox.label import PREFIX, new_label
from tests.runner.sandbox.conftest import alive, assert_gone

WAITS = "import time; time.sleep(60)"
MULTIPLIES = """
import os, time
for _ in range(400):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


@pytest.fixture
def orphaned() -> Iterator[str]:
    """A label of this process's id and another start time."""
    space = Path("/proc/self/ns/pid").stat().st_ino
    label = f"{PREFIX}-{space}-{os.getpid()}-1-{secrets.token_hex(6)}"
    yield label
    orphans.kill(label.__eq__)


def start(stack: ExitStack, code: str, label: str) -> subprocess.Popen[bytes]:
    """A process with this label, once it shows it."""
    process = subprocess.Popen([sys.executable, "-c", code, *orphans.marked(label)])
    stack.callback(process.wait)
    stack.callback(process.kill)
    until(process, label, 1)
    return process


def until(process: subprocess.Popen[bytes], label: str, count: int) -> None:
    """Wait until there are so many, or somebody else has killed them as orphans."""
    end = time.monotonic() + 60
    while process.poll() is None and len(alive(label)) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_outlived_its_runner_is_killed_and_nothing_else(orphaned: str) -> None:
    with ExitStack() as stack:
        stray = start(stack, WAITS, orphaned)
        innocent = start(stack, WAITS, new_label())
        orphans.reap()
        assert stray.wait(timeout=60) == -signal.SIGKILL
        assert innocent.poll() is None


def test_what_it_starts_while_it_is_looked_for_is_found_too(orphaned: str) -> None:
    """As bubblewrap may start its first process after /proc was listed."""
    with ExitStack() as stack:
        stray = start(stack, MULTIPLIES, orphaned)
        until(stray, orphaned, 20)
        orphans.reap()
        assert stray.wait(timeout=60) == -signal.SIGKILL
        assert_gone(orphaned)


def test_those_of_one_start_alone_are_killed() -> None:
    mine, other = new_label(), new_label()
    with ExitStack() as stack:
        chosen, left = start(stack, WAITS, mine), start(stack, WAITS, other)
        assert orphans.kill(mine.__eq__) == 1
        assert chosen.wait(timeout=60) == -signal.SIGKILL
        assert left.poll() is None


def test_nobody_there_is_nobody_killed() -> None:
    label = new_label()
    assert orphans.kill(label.__eq__) == 0
