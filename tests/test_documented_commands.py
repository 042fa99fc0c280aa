"""Every fenced command of README and docs is run here, or says beside it why it is not.

A block of shell commands is run in a project with a short history, a remote and this project's
Python; so is README's table of what to use daily, from top to bottom. The line
`<!-- not run here: REASON -->` before a block (or a transcript's) exempts it; that the commands in
it exist, with these options, is checked by tests/test_docs.py in any case.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.actions.place import FORGE, free_port
from tests.bot.commands.helpers import a_short_history
from tests.bot.lab import Lab, git
from tests.github.server import running
from tests.github.setting import ADMIN_TOKEN, new_github
from tests.project import TOP

DOCUMENTS = sorted(
    file
    for file in [TOP / "README.md", TOP / "SECURITY.md", *TOP.glob("docs/*.md")]
    if file.name != "commands.md"  # made from --help: examples with placeholders
)
_EXEMPT = re.compile(r"<!-- (?:not run here|transcript): \S.* -->")
_FENCE = re.compile(r"( *)```(\w*)$")
_COMMAND = re.compile(r"(?:\$ )?(?:git|gh|make|python3?|pip|cd|export|curl|\.venv/)\b")


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
    run(block.text, copied(made, tmp_path), block.where)


_DAILY = re.compile(r"^\| `(python -m [^`]+)` \|", re.M)
_NOT_DAILY = {
    "bot step": "it trains",
    "bot run": "it works for hours",
    "bot audit": "it trains",
    "bot init": "the project has a bot.toml; tests/test_import_end_to_end.py runs it",
    "bot doctor": "what it finds depends on the machine",
    "runner measure": "it trains",
    "runner doctor": "what it finds depends on the machine",
    "runner redteam": "it takes minutes",
}


@pytest.mark.slow
def test_the_commands_of_daily_use_do_what_they_should(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    git(folder, "switch", "-qc", "my-branch")
    (folder / "train.py").write_text((folder / "train.py").read_text().replace("3.0", "4.0"))
    git(folder, "commit", "-qam", "Take another rate")
    git(folder, "switch", "-q", "-")
    run("python -m bot export --format results.tsv --output results.tsv", folder, "before")
    listed = _DAILY.findall((TOP / "README.md").read_text())
    names = {command: " ".join(command.split()[2:4]) for command in listed}
    assert set(_NOT_DAILY) <= set(names.values())
    chosen = [command for command in listed if names[command] not in _NOT_DAILY]
    assert len(chosen) >= 12
    for command in chosen:
        run(command, folder, "README.md")
    assert (folder / "report.html").exists()
    assert "imported.tsv" in git(folder, "ls-files")


_ON_GITHUB = next(block for block in ALL if "bot init --github" in block.text)


def test_a_repository_on_github_is_set_up_as_its_page_says(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    port = free_port()
    settings = FORGE.replace("ADDRESS", f"http://127.0.0.1:{port}")
    with (folder / "bot.toml").open("a") as file:
        file.write(settings)
    git(folder, "commit", "-qam", "Live on GitHub")
    git(folder, "push", "-q", "origin", "HEAD")
    github = new_github(tmp_path / "origin.git")
    with running(github, port):
        run(_ON_GITHUB.text.replace("TOKEN=...", f"TOKEN={ADMIN_TOKEN}"), folder, _ON_GITHUB.where)
    assert github.settings["rulesets/mergelab"]["bypass_actors"][0]["actor_id"] == 12345


_PREPARE = next(block for block in ALL if block.text == "python -m runner prepare\n")


@pytest.mark.slow
def test_data_is_prepared_as_its_page_says(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "bot.toml").write_text('[task]\nsize = "tiny"\n')
    run(_PREPARE.text, tmp_path / "project", _PREPARE.where)
    assert list((tmp_path / "cache" / "data").glob("*-tiny/manifest.json"))


def annotated_pictures(folder: Path) -> None:
    """What the commands of docs/task.md begin with: pictures, and lines that tell of them."""
    (folder / "pictures").mkdir()
    Image.new("RGB", (64, 32), "teal").save(folder / "pictures" / "a.png")
    region = {"bbox": [0, 0, 32, 32], "phrase": "sea"}
    grounding = {"caption": "the sea", "regions": [region]}
    line = {"filename": "a.png", "width": 64, "height": 32, "grounding": grounding}
    for name in ("annotations", "train", "val"):
        (folder / f"{name}.jsonl").write_text(json.dumps(line) + "\n")


def copied(made: Path, place: Path) -> Path:
    """The project with a remote and what else the commands need, to do with as one likes."""
    folder = place / "project"
    shutil.copytree(made, folder, symlinks=True)
    annotated_pictures(folder)
    git(place, "init", "-q", "--bare", "origin.git")
    git(folder, "remote", "add", "origin", str(place / "origin.git"))
    return folder


def run(commands: str, folder: Path, where: str) -> None:
    """As a person would, in a shell; none may fail."""
    commands = re.sub(r" 12\b", " 1", commands)  # the number that stands for any
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(TOP),
        "MERGELAB_CACHE": str(folder.with_name("cache")),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{where}: {commands}\n{done.stdout}\n{done.stderr}"


def test_commands_are_found_and_exempted() -> None:
    text = (
        "A\n\n```sh\ntrue\n```\n\n<!-- not run here: it takes a day -->\n```sh\nsleep 1d\n```\n\n"
        "```text\nno command\n```\n\n```\n$ make step\n```\n<!-- not run here: -->\n```sh\nx\n```\n"
    )
    found = [(block.text.strip(), block.exempt) for block in blocks(text, "p")]
    assert found == [("true", False), ("sleep 1d", True), ("$ make step", False), ("x", False)]


def test_something_is_run() -> None:
    assert len(RUN) >= 3
