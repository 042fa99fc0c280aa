"""A lab on GitHub as the jobs of measure.yml see it: a checkout of the base, and a pull request."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.actions.documents import Asked, AskedRun, Expected
from runner.actions.hub import CheckRun, Hub, Pull
from runner.digests import data_digest, harness_digest, scorer_digest, shaping
from runner.result import Digests, Measurement, RunnerClass, Stage, Status
from runner.settings import RunnerSettings

TRAIN = b"# --- constants (tunable) ---\nRATE = 1.0\n# --- end of constants ---\nprint(RATE)\n"
BETTER = TRAIN.replace(b"1.0", b"2.0")
HERE = "lab/research"


class Desk(Hub):
    """GitHub's answers, without GitHub."""

    def __init__(self, pull: Pull, approver: str | None = None) -> None:
        self.repository = HERE
        self.answer, self.approved_by = pull, approver
        self.checks: list[CheckRun] = []

    def pull(self, number: int) -> Pull:
        assert number == self.answer.number
        return self.answer

    def approver(self, pull: Pull) -> str | None:
        return self.approved_by

    def post_check(self, check: CheckRun) -> bool:
        self.checks.append(check)
        return True


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@dataclass
class Lab:
    """`origin` is what GitHub has; `checkout` is the base branch of a job."""

    origin: Path
    checkout: Path
    work: Path
    base: str = ""
    heads: dict[str, str] = field(default_factory=dict)

    @classmethod
    def build(cls, folder: Path) -> Lab:
        folder.mkdir(exist_ok=True)
        lab = cls(folder / "origin.git", folder / "checkout", folder / "work")
        git(folder, "init", "-q", "--bare", "-b", "main", str(lab.origin))
        git(folder, "clone", "-q", str(lab.origin), str(lab.work))
        git(lab.work, "config", "user.name", "Person")
        git(lab.work, "config", "user.email", "person@example.org")
        git(lab.work, "checkout", "-q", "-b", "main")
        files = {
            "train.py": TRAIN,
            "bot.toml": b"",
            "scratchpad.md": b"# Scratchpad\n",
            "runner/task/score.py": b"def score(): ...\n",
            ".github/workflows/measure.yml": b"on: workflow_dispatch\n",
            "requirements/bot.txt": b"click==1\n",
        }
        lab.base = lab.commit(files, "main")
        git(folder, "clone", "-q", str(lab.origin), str(lab.checkout))
        return lab

    def commit(self, files: Mapping[str, bytes], branch: str, at: str = "HEAD") -> str:
        """Commit on a branch of the origin, from `at`."""
        if at != "HEAD":
            git(self.work, "checkout", "-q", "-B", branch, at)
        for name, content in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "-m", "Work")
        git(self.work, "push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.work, "rev-parse", "HEAD")

    def propose(self, files: Mapping[str, bytes], branch: str = "exp/one") -> str:
        """The head of a pull request."""
        return self.commit(files, branch, at=self.base)

    def advance(self, files: Mapping[str, bytes]) -> str:
        """The base branch moves on, and the job's checkout with it."""
        git(self.work, "checkout", "-q", "main")
        moved = self.commit(files, "main")
        git(self.checkout, "pull", "-q")
        return moved


def pull(head: str, **changes: object) -> Pull:
    facts: dict[str, object] = {
        "number": 12,
        "state": "open",
        "head_sha": head,
        "head_repository": HERE,
        "base_branch": "main",
        "author_id": 7,
        **changes,
    }
    return Pull(**facts)  # type: ignore[arg-type]


RUNS = (
    AskedRun(index=0, side="baseline", seed=5, smoke=False),
    AskedRun(index=1, side="candidate", seed=5, smoke=True),
)


def asked(head: str, base: str, **changes: object) -> Asked:
    facts = {"pr": 12, "head_sha": head, "base_sha": base, "attempt": "12.1", "runs": RUNS}
    return Asked.model_validate({**facts, **changes})


def expected(settings: RunnerSettings | None = None) -> Expected:
    chosen = settings or RunnerSettings()
    return Expected(
        **asked("a" * 40, "b" * 40).model_dump(),
        base_branch="main",
        candidate="c" * 64,
        baseline="d" * 64,
        harness=harness_digest(shaping(chosen)),
        scorer=scorer_digest(chosen.task.kind),
    )


def runner_class(**changes: object) -> RunnerClass:
    facts: dict[str, object] = {
        "device": "Some GPU",
        "profile": "gpu",
        "budget_s": 300.0,
        "data": "1-full-abc",
        "data_digest": "e" * 64,
        "interpreter": "3.12",
        "packages": "p",
        "torch": "2.9",
        "driver": "580",
        "sandbox": "bubblewrap 0.11.0",
        **changes,
    }
    return RunnerClass.model_validate({"id": data_digest(facts)[:12], **facts})


def measurement(what: Expected, side: str = "candidate", **changes: object) -> Measurement:
    """An honest result."""
    facts: dict[str, object] = {
        "status": Status.OK,
        "stage": Stage.SCORE,
        "metric": 11.25 if side == "candidate" else 13.5,
        "secondary": {"median_rank": 8.0, "recall@1": 0.2},
        "seed": 5,
        "train_s": 300.0,
        "predict_s": 4.0,
        "runner_class": runner_class(),
        "digests": Digests(
            candidate=what.candidate if side == "candidate" else what.baseline,
            data="e" * 64,
            scorer=what.scorer,
            harness=what.harness,
        ),
        **changes,
    }
    return Measurement.model_validate(facts)
