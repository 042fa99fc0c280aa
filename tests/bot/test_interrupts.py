from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
BEGIN = "import os, signal, sys, time\nfrom bot import interrupts\ninterrupts.watch()\n"
INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"
END = "\ninterrupts.ignore()\nsys.exit(interrupts.EXIT_CODE)\n"

PROGRAMS = {
    "plainly": f"try:\n {INTERRUPT}\n time.sleep(60)\nexcept KeyboardInterrupt: pass",
    "in a text that is carried out": f"try: exec({INTERRUPT!r})\nexcept KeyboardInterrupt: pass",
    "in clean-up code that loses it": (
        f"class Lost:\n def __del__(self): {INTERRUPT}\n"
        "try:\n Lost()\n time.sleep(60)\nexcept KeyboardInterrupt: pass"
    ),
    "once more at the end": f"interrupts.ignore()\n{INTERRUPT}",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_interrupt_is_heard_once_and_ends_with_the_exit_code(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + PROGRAMS[name] + END],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_that_is_ignored_stays_ignored() -> None:
    """As nohup and a shell's `&` want it."""
    code = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{BEGIN}{INTERRUPT}"
    done = subprocess.run(
        [sys.executable, "-c", code + "\nprint(interrupts.seen())"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "False\n")
