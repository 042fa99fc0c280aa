"""`python -m bot`."""

from __future__ import annotations

import os
import sys

# Python looks first in the folder that it is started in, and there lies the project that
# experiments may change: a file of its that is called like a module must not be imported here.
_HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 (no imports yet)
if os.path.realpath(sys.path[0]) == os.path.realpath(".") != _HERE:
    del sys.path[0]

from bot import interrupts, memory  # noqa: E402 (after what is above)


def _run() -> int:
    try:
        interrupts.watch()
        memory.collect_rarely()
        try:
            from bot.cli import main  # takes a moment, in which Ctrl-C may come
        except ModuleNotFoundError as missing:
            if (missing.name or "").partition(".")[0] in {"bot", "runner"}:
                raise  # a defect of ours
            print(
                f"error: {sys.executable} lacks the package {missing.name!r}, which the bot needs. "
                "Run `make install` once, then use .venv/bin/python -m bot (or activate .venv).",
                file=sys.stderr,
            )
            return 1
        return main()
    except KeyboardInterrupt:
        print(f"\n{interrupts.STOPPED}", file=sys.stderr)
        return interrupts.EXIT_CODE


if __name__ == "__main__":
    exit_code = _run()
    memory.collect_no_more()
    interrupts.leave(exit_code)
