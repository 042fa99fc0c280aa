"""A lab on the model of GitHub whose repository is this project, with a quick task."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.actions.engine import TOP, Engine
from tests.github.setting import ACTIONS_TOKEN, BOT_TOKEN, new_github
from tests.github.state import GitHub, WorkflowRun
from tests.project import SETTINGS, TRAIN

# The workflow's own token is the bot here, as in a lab without an App.
FORGE = """
[forge]
kind = "github"
repository = "lab/research"
api_url = "ADDRESS"
account = "github-actions[bot]"
"""
_PARTS = ("bot", "runner", "requirements", ".github")
BETTER = TRAIN.replace("PIXELS = 6 ", "PIXELS = 1 ")


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@dataclass
class LabOnGitHub:
    """`work` is somebody's clone; pushes go straight to the bare repository."""

    github: GitHub
    address: str
    engine: Engine
    work: Path

    @classmethod
    def make(
        cls,
        folder: Path,
        cache: Path,
        port: int,
        more: str = "",
        instead: Mapping[str, str] | None = None,
    ) -> LabOnGitHub:
        """The repository; `running(lab.github, port)` must be started by whoever calls.

        `more` is added to bot.toml. `instead` are files that the repository has in place of this
        project's own: it is a project in which the bot is no more than installed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        work, bare = folder / "work", folder / "github.git"
        git(folder, "init", "-q", "-b", "main", str(work))
        git(work, "config", "user.name", "Ada")
        git(work, "config", "user.email", "ada@example.org")
        if instead is None:
            _copy_project(work)
        address = f"http://127.0.0.1:{port}"
        text = SETTINGS.replace("PYTHON", sys.executable) + FORGE.replace("ADDRESS", address) + more
        for name, content in {
            "train.py": TRAIN,
            "bot.toml": text,
            "program.md": "# Programme\n",
            "scratchpad.md": "# Scratchpad\n",
            **(instead or {}),
        }.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(content)
        git(work, "add", "-A")
        git(work, "commit", "-qm", "Begin")
        git(folder, "clone", "-q", "--bare", str(work), str(bare))
        git(bare, "config", "http.receivepack", "true")
        git(work, "remote", "add", "origin", str(bare))
        git(work, "fetch", "-q")
        github = new_github(bare)
        variables = {"MERGELAB_CACHE": str(cache), "MERGELAB_SHARE_MACHINE": "1"}
        return cls(github, address, Engine(github, address, folder / "engine", variables), work)

    @property
    def base(self) -> str:
        return git(self.github.repository.path, "rev-parse", "refs/heads/main")

    def call(self, method: str, path: str, body: Mapping[str, Any], token: str = BOT_TOKEN) -> Any:
        """A call of the API, as anybody with a token could make it."""
        request = Request(
            f"{self.address}/repos/{self.github.full_name}/{path}",
            data=json.dumps(body).encode(),
            method=method,
            headers={"authorization": f"Bearer {token}"},
        )
        with urlopen(request) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def push(self, branch: str, files: Mapping[str, str], start: str | None = None) -> str:
        """Commit these files on a branch, from `start` (the base by default), and push it."""
        git(self.work, "fetch", "-q")
        git(self.work, "checkout", "-q", "-B", branch, start or self.base)
        for name, content in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-qm", f"Work on {branch}")
        git(self.work, "push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.work, "rev-parse", "HEAD")

    def open(self, branch: str, files: Mapping[str, str], token: str = BOT_TOKEN) -> int:
        """A pull request with this change; its number."""
        self.push(branch, files)
        body = {"title": branch, "body": "", "head": branch, "base": "main"}
        return int(self.call("POST", "pulls", body, token)["number"])

    def dispatch(
        self, number: int, runs: Sequence[Mapping[str, Any]], /, **changes: str
    ) -> WorkflowRun:
        """Ask for a measurement as the bot does; the run, not made yet."""
        head = self.github.pulls[number].head
        inputs = {
            "pr": str(number),
            "head_sha": head,
            "base_sha": self.base,
            "attempt": f"{number}.1",
            "runs": json.dumps(list(runs)),
            **changes,
        }
        path = "actions/workflows/measure.yml/dispatches"
        body = {"ref": "main", "inputs": inputs, "return_run_details": True}
        made = self.call("POST", path, body)
        return self.github.runs[int(made["workflow_run_id"])]

    def step(self) -> None:
        """Start step.yml, as the schedule or a measurement would."""
        self.call("POST", "actions/workflows/step.yml/dispatches", {"ref": "main"})

    def bot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m bot` in a new clone, as the bot's own account."""
        clone = self.work.with_name("clone")
        shutil.rmtree(clone, ignore_errors=True)
        git(self.work, "clone", "-q", str(self.github.repository.path), str(clone))
        git(clone, "config", "user.name", "Ada")
        git(clone, "config", "user.email", "ada@example.org")
        for branch in git(clone, "branch", "-r", "--format=%(refname:lstrip=3)").split():
            if branch not in {"HEAD", "main"}:
                git(clone, "branch", "-q", branch, f"origin/{branch}")
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=clone,
            env={**os.environ, "GITHUB_TOKEN": ACTIONS_TOKEN},
            capture_output=True,
            text=True,
            check=False,
        )

    def experiment(self, branch: str, train: str) -> int:
        """A person's idea, opened as an experiment; its number."""
        self.push(branch, {"train.py": train})
        done = self.bot("open", branch, "--json")
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["number"])

    def until_closed(self, *numbers: int, most: int = 30) -> list[WorkflowRun]:
        """Run workflows until these pull requests are closed; all that ran."""
        ran: list[WorkflowRun] = []
        for _ in range(most):
            if all(self.github.pulls[number].state == "closed" for number in numbers):
                return ran
            run = self.engine.next()
            if run is None:
                self.step()  # the schedule
            else:
                ran.append(run)
        logs = "\n".join(self.engine.logs[run.id] for run in ran[-2:])
        raise AssertionError(f"{numbers} are not closed after {most} workflows:\n{logs}")

    def show(self, name: str, at: str = "main") -> str:
        """A file on the base branch."""
        return git(self.github.repository.path, "show", f"{at}:{name}")

    def artifact(self, run: WorkflowRun, name: str) -> bytes | None:
        found = [one for one in self.github.artifacts.values() if one.run == run.id]
        return next((one.data for one in found if one.name == name), None)


PAIR = (
    {"index": 0, "side": "baseline", "seed": 7, "smoke": False},
    {"index": 1, "side": "candidate", "seed": 7, "smoke": True},
)


def _copy_project(work: Path) -> None:
    listed = git(TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_PARTS)
    for name in filter(None, listed.split("\0")):
        if (TOP / name).is_file():
            target = work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, target, follow_symlinks=False)
    os.utime(work)
