from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
BEGIN = "import os, signal, time\nfrom bot import interrupts\ninterrupts.watch()\n"
INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"
END = "\nprint('done')\ninterrupts.leave(interrupts.EXIT_CODE)\n"

PROGRAMS = {
    "plainly": f"try:\n {INTERRUPT}\n time.sleep(60)\nexcept KeyboardInterrupt: pass",
    "in a text that is carried out": (
        f"try: exec({INTERRUPT + chr(10) + 'time.sleep(60)'!r})\nexcept KeyboardInterrupt: pass"
    ),
    "in clean-up code that loses it": (
        f"class Lost:\n def __del__(self): {INTERRUPT}\n"
        "try:\n Lost()\n time.sleep(60)\nexcept KeyboardInterrupt: pass"
    ),
    "once more at the end": f"import atexit\natexit.register(lambda: {INTERRUPT})",
}


def run(folder: Path, program: str) -> tuple[int, str, str]:
    """As a module, like the bot: Python ends otherwise in some other ways of starting it."""
    (folder / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "program"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_interrupt_is_heard_once_and_ends_with_the_exit_code(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, BEGIN + PROGRAMS[name] + END) == (130, "done\n", "")


def test_an_interrupt_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As nohup and a shell's `&` want it."""
    ignoring = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    told = run(tmp_path, f"{ignoring}{BEGIN}{INTERRUPT}\nprint(interrupts.seen())")
    assert told == (0, "False\n", "")


HELD = """
import os, signal
from bot import interrupts
asked = []
interrupts.watch()
with interrupts.first_is_gentle(lambda: asked.append(True)):
    with interrupts.held():
        os.kill(os.getpid(), signal.SIGINT)
        assert not asked
    assert asked
    try:
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGINT)
            raise ValueError
    except KeyboardInterrupt:
        print("heard")
"""


def test_what_is_put_off_goes_to_whoever_hears_it_and_is_lost_by_no_error() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, cwd=TOP)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
