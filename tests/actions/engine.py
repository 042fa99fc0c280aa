"""GitHub Actions for the model of GitHub: runs dispatched workflows with `act`, on this machine.

No container engine is needed: every job runs on the host, and for each `uses:` there is a
composite action in `standins/`. A job has an empty workspace, a token, and the variables that
GitHub would set; what it uploads becomes artifacts of the run.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.actions.documents import ARTIFACT
from tests.github.setting import ACTIONS_TOKEN
from tests.github.state import GitHub, WorkflowRun

TOP = Path(__file__).parents[2]
STANDINS = Path(__file__).parent / "standins"
ACT = Path(sys.executable).parent / "act"
LABELS = ("self-hosted", "gpu", "ubuntu-latest")
_USES = re.compile(r"uses: (actions/[a-z-]+)@([0-9a-f]{40})")
_PATIENCE_S = 600


@dataclass
class Engine:
    """Runs workflows of the model `github`, which listens at `address`, below `folder`.

    `variables` are in the environment of every job, as those of a runner's service are.
    """

    github: GitHub
    address: str
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    logs: dict[int, str] = field(default_factory=dict)

    def run(self, run: WorkflowRun) -> str:
        """Run a dispatched workflow to its end and tell the model; the conclusion."""
        place = self.folder / f"run-{run.id}"
        artifacts = place / "artifacts"
        artifacts.mkdir(parents=True)
        checkout = self._clone(run, place / "workflows")
        with self.github.lock:
            run.status = "in_progress"
        done = subprocess.run(
            self._command(run, place),
            cwd=checkout,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        self.logs[run.id] = done.stdout
        conclusion = "success" if done.returncode == 0 else "failure"
        # What a job hands to another is not zipped: it may be huge in a test, and nobody asks.
        kept = {each.name: _zipped(each) for each in artifacts.glob(ARTIFACT)}
        self.github.finish_run(run.id, conclusion, kept)
        shutil.rmtree(place, ignore_errors=True)
        return conclusion

    def next(self) -> WorkflowRun | None:
        """Run the oldest run that is queued; of steps that wait, one stands for all."""
        with self.github.lock:
            queued = [run for run in self.github.runs.values() if run.status == "queued"]
            if not queued:
                return None
            first = queued[0]
            for other in queued[1:]:
                if other.path == first.path and first.path.endswith("/step.yml"):
                    self.github.finish_run(other.id, "cancelled")
        self.run(first)
        return first

    def _command(self, run: WorkflowRun, place: Path) -> list[str]:
        inputs = [
            part for name, value in run.inputs.items() for part in _pair("--input", name, value)
        ]
        variables = {
            "GITHUB_API_URL": self.address,
            "GITHUB_REPOSITORY": self.github.full_name,
            "GITHUB_RUN_ID": str(run.id),
            "MODEL_GIT": f"{self.address}/{self.github.full_name}.git",
            "MODEL_ARTIFACTS": str(place / "artifacts"),
            "MODEL_PYTHON": sys.executable,
            "MERGELAB_PYTHON": sys.executable,
            **self.variables,
        }
        return [
            str(ACT),
            run.event,
            "--workflows",
            run.path,
            "--no-skip-checkout",
            "--concurrent-jobs=1",
            "--artifact-server-path=",
            "--no-cache-server",
            f"--action-cache-path={place / 'cache'}",
            *inputs,
            *(part for label in LABELS for part in ("-P", f"{label}=-self-hosted")),
            *(part for each in _standins() for part in ("--local-repository", each)),
            *(part for name, value in variables.items() for part in _pair("--env", name, value)),
            "--secret",
            "GITHUB_TOKEN",
        ]

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return {**kept, "GITHUB_TOKEN": ACTIONS_TOKEN, "LC_ALL": "C.UTF-8"}

    def _clone(self, run: WorkflowRun, folder: Path) -> Path:
        """The commit that the workflow was started on: act reads the workflow itself from it."""
        _git(".", "clone", "-q", str(self.github.repository.path), str(folder))
        _git(folder, "checkout", "-q", "-B", run.head_branch, run.head_sha)
        return folder


def _standins() -> list[str]:
    """Every action of our workflows, in the version that is pinned there, and its stand-in."""
    text = "".join(path.read_text() for path in (TOP / ".github" / "workflows").glob("*.yml"))
    return [
        f"{name}@{commit}={STANDINS / name.partition('/')[2]}"
        for name, commit in sorted(set(_USES.findall(text)))
    ]


def _pair(option: str, name: str, value: object) -> tuple[str, str]:
    return option, f"{name}={value}"


def _git(folder: str | Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def _zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
