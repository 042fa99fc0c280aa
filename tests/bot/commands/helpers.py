"""The commands that only look, run over a real repository with a scripted measurer."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from bot.cli import cli
from runner.result import Status
from tests.bot.lab import TRAIN, Lab, quadratic, rate


def bot(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def bot_json(*arguments: str) -> dict[str, Any]:
    value = json.loads(bot(*arguments, "--json").stdout)
    assert isinstance(value, dict)
    return value


def with_rate(rate: float) -> dict[str, str]:
    """A change of the constant on which the metric of the lab depends: best at 3."""
    return {"train.py": TRAIN.replace("1.0", str(rate))}


def a_short_history(lab: Lab) -> None:
    """#1 is merged, #2 is worse, #3 crashes."""
    lab.experiment(with_rate(3.0), "Triple the rate")
    lab.until_idle()
    lab.experiment(with_rate(6.0), "Go too far")
    lab.until_idle()
    lab.measurer.metric = _crash
    lab.experiment(with_rate(2.0), "=cmd|' /C calc'!A0 <script>alert(1)</script>")
    lab.until_idle()


def _crash(source: bytes) -> float | Status:
    return Status.CRASHED if rate(source) == 2.0 else quadratic(source)
