"""Every fenced command of README and docs is run here, or says beside it why it is not.

A block of shell commands is run in a project with a short history, a remote and this project's
Python. `<!-- not run here: REASON -->` on the line before it (or a transcript's) exempts
it; that the commands in it
exist, with these options, is checked by tests/test_docs.py in any case.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bot.commands.helpers import a_short_history
from tests.bot.lab import Lab, git
from tests.project import TOP

DOCUMENTS = sorted(
    file
    for file in [TOP / "README.md", TOP / "SECURITY.md", *TOP.glob("docs/*.md")]
    if file.name != "commands.md"  # made from --help: examples with placeholders
)
_EXEMPT = re.compile(r"<!-- (?:not run here|transcript): \S.* -->")
_FENCE = re.compile(r"( *)```(\w*)$")
_COMMAND = re.compile(r"(?:\$ )?(?:git|make|python|pip|cd|export|curl|\.venv/)\b")


@dataclass(frozen=True)
class Block:
    """A fenced block of commands, and what stands on the line before it."""

    where: str
    before: str
    text: str

    @property
    def exempt(self) -> bool:
        return bool(_EXEMPT.fullmatch(self.before))


def blocks(text: str, name: str) -> list[Block]:
    """The blocks of commands: those marked as shell, and others that begin with a command."""
    found, lines = [], text.splitlines()
    at = 0
    while at < len(lines):
        opened = _FENCE.fullmatch(lines[at])
        if opened is None:
            at += 1
            continue
        begin = at
        at += 1
        while at < len(lines) and lines[at] != f"{opened[1]}```":
            at += 1
        body = [line.removeprefix(opened[1]) for line in lines[begin + 1 : at]]
        at += 1
        first = next((line for line in body if line.strip() and line[0] != "#"), "")
        if opened[2] in {"sh", "bash"} or (opened[2] in {"", "text"} and _COMMAND.match(first)):
            before = next((line.strip() for line in reversed(lines[:begin]) if line.strip()), "")
            found.append(Block(f"{name}:{begin + 1}", before, "\n".join(body) + "\n"))
    return found


ALL = [block for file in DOCUMENTS for block in blocks(file.read_text(), file.name)]
RUN = [block for block in ALL if not block.exempt]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documented") / "project"
    a_short_history(Lab.build(folder))
    return folder


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.where)
def test_commands_that_are_shown_do_what_they_should(
    block: Block, made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(made, folder, symlinks=True)
    git(tmp_path, "init", "-q", "--bare", "origin.git")
    git(folder, "remote", "add", "origin", str(tmp_path / "origin.git"))
    commands = block.text.replace(" 12", " 1")  # the number that stands for any
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(TOP),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block.where}\n{done.stdout}\n{done.stderr}"


def test_commands_are_found_and_exempted() -> None:
    text = (
        "A\n\n```sh\ntrue\n```\n\n<!-- not run here: it takes a day -->\n```sh\nsleep 1d\n```\n\n"
        "```text\nno command\n```\n\n```\n$ make step\n```\n<!-- not run here: -->\n```sh\nx\n```\n"
    )
    found = [(block.text.strip(), block.exempt) for block in blocks(text, "p")]
    assert found == [("true", False), ("sleep 1d", True), ("$ make step", False), ("x", False)]


def test_something_is_run() -> None:
    assert len(RUN) >= 3
