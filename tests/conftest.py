from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from bot.memory import collect_rarely
from runner.turns import SHARE_VARIABLE
from tests.browser import CHROMIUM, REQUIRED

# Tests run several measurements at once, in processes of their own; tests/runner/test_turns.py
# and those that take turns on purpose remove it again.
os.environ[SHARE_VARIABLE] = "1"

# As the bot does: whatever thousands of tests have made is gone through again and again else.
collect_rarely()

# How long an example takes says something about the machine, not about the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Who starts the tests in the background may ignore or block Ctrl-C for them and all their
# children; the tests are about what it does.
signal.pthread_sigmask(signal.SIG_SETMASK, set())
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests in a browser out where there is none, and say so."""
    ours = [item for item in items if item.get_closest_marker("browser")]
    if CHROMIUM is not None or REQUIRED or not ours:
        return
    items[:] = [item for item in items if item not in ours]
    config.hook.pytest_deselected(items=ours)
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(
            f"NOTICE: no Chromium here: {len(ours)} tests of the report in a browser are left out."
            " Install it, for example: apt-get install chromium",
            yellow=True,
        )
