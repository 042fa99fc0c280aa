from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli import cli
from bot.commands.completion import script
from tests.bot.commands.helpers import bot_json
from tests.project import TOP


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_calls_the_module(shell: str) -> None:
    text = script(shell)
    assert f"_BOT_COMPLETE={shell}_complete " in text
    assert " python -m bot)" in text
    assert bot_json("completion", shell) == {"shell": shell, "script": text}


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash, "the sandbox's own tests need bash as well"
    complete = "COMPREPLY=(); _bot_completion bot; echo ${COMPREPLY[@]}"
    ask = "\n".join(
        [
            script("bash"),
            f"COMP_WORDS=(bot exp); COMP_CWORD=1; {complete}",
            f"COMP_WORDS=(bot export --fo); COMP_CWORD=2; {complete}",
        ]
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "-c", ask],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(TOP)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["export", "--format"]


def test_all_commands_have_help_with_examples() -> None:
    for name in cli.list_commands(None):  # type: ignore[arg-type]
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert "Example" in (command.epilog or ""), name
