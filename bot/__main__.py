"""`python -m bot`."""

from __future__ import annotations

import sys

from bot import interrupts


def _run() -> int:
    try:
        interrupts.watch()
        from bot.cli import main  # takes a moment, in which Ctrl-C may come

        return main()
    except KeyboardInterrupt:
        print(f"\n{interrupts.STOPPED}", file=sys.stderr)
        return interrupts.EXIT_CODE


if __name__ == "__main__":
    interrupts.leave(_run())
