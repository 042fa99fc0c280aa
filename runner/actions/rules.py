"""Asks the bot for its rules, as programs: the runner does not import the bot.

One JSON value goes in, one comes out. What is asked about is hostile; the programs are the base
branch's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import RunnerError

_PROJECT = Path(__file__).parents[2]
_PATIENCE_S = 300


def ask(module: str, *arguments: str, told: object = None) -> Any:
    """What `python -m MODULE` answers; `told` is its standard input. Raises RunnerError."""
    done = run([sys.executable, "-m", module, *arguments], told=json.dumps(told).encode())
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()[-300:]
        raise RunnerError(f"The bot's rules ({module}) could not be asked: {reason}")
    return json.loads(done.stdout)


def run(
    command: list[str], environment: Mapping[str, str] | None = None, told: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program in the project's folder. Raises RunnerError when it does not run at all."""
    try:
        return subprocess.run(
            command,
            cwd=_PROJECT,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(environment or {})},
            input=told,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunnerError(f"{command[0]} could not be run: {error}") from None
