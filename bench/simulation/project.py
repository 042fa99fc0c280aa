"""The simulated project: its files, and what they would measure."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from bot.settings import parse
from runner.digests import candidate_digest, harness_digest, shaping
from runner.result import Digests, Measurement, RunnerClass, Stage, Status

TRAIN = """\
# --- constants (tunable) ---
RATE = 1.0

# far enough apart for two changes to merge

WIDTH = 1.0
# --- end of constants ---


def train():
    return RATE * WIDTH
"""
SETTINGS = """\
[proposer]
name = "command"  # one that can repair what broke

[audit]
every = 2
runs = 2

[budget]
cpu_s = 300
"""
WORKFLOW = """\
name: Measure
run-name: "Measure #${{ inputs.pr }}, attempt ${{ inputs.attempt }}"
on:
  workflow_dispatch:
"""
CLASS = RunnerClass(
    id="class-a",
    device="cpu",
    profile="cpu",
    budget_s=300,
    data="d",
    interpreter="3",
    torch="2",
    driver="",
    sandbox="s",
)
HARNESS = harness_digest(shaping(parse(SETTINGS.encode())))
COMPARABLE = f"class-a-{HARNESS[:12]}"
NOISE = 0.1
_CONSTANT = r"^{} = (.+)$"


def make(folder: Path) -> None:
    """A repository with nothing checked out, as one is that only bots work in."""
    shutil.copytree(_template(), folder, dirs_exist_ok=True)


def constant(source: bytes, name: str) -> float:
    """The value of a constant; a file without it is one that crashes."""
    found = re.search(_CONSTANT.format(name).encode(), source, re.MULTILINE)
    return float(found[1]) if found else float("nan")


def with_constant(source: bytes, name: str, value: float) -> bytes:
    """The file with another value."""
    return re.sub(
        _CONSTANT.format(name).encode(), b"%s = %r" % (name.encode(), value), source, flags=re.M
    )


def truth(source: bytes) -> float | Status:
    """The true metric of a file, lower is better; some files crash."""
    rate, width = constant(source, "RATE"), constant(source, "WIDTH")
    if not (abs(rate) < 8 and abs(width) < 8):
        return Status.CRASHED
    return 10 + (rate - 3) ** 2 + (width - 2) ** 2


def measured(source: bytes, seed: int, chance: Random, *, sealed: bool) -> dict[str, Any]:
    """What a runner would say of one run."""
    value = truth(source)
    failed = isinstance(value, Status)
    score = None if isinstance(value, Status) else value + chance.gauss(0, NOISE)
    result = Measurement(
        status=value if isinstance(value, Status) else Status.OK,
        stage=Stage.SMOKE if failed else Stage.SCORE,
        metric=score,
        seed=seed,
        train_s=300.0,
        runner_class=CLASS,
        digests=Digests(
            candidate=candidate_digest({"train.py": source}),
            data="d",
            scorer="s",
            harness=HARNESS,
        ),
    ).model_dump(mode="json")
    if sealed and not failed:
        result["sealed"] = {"metric": score, "secondary": {}}
    return result


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mergelab-template-", dir=memory()))
    for name, text in {
        "train.py": TRAIN,
        "bot.toml": SETTINGS,
        "scratchpad.md": "# Scratchpad\n",
        "program.md": "# Programme\n",
        "README.md": "A project.\n",
        ".github/workflows/measure.yml": WORKFLOW,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    moment = "2027-01-01T00:00:00Z"
    for arguments in (
        ("init", "-q", "-b", "main", "--template="),
        ("config", "user.name", "Person"),
        ("config", "user.email", "person@example.org"),
        ("config", "core.fsync", "none"),
        ("config", "gc.auto", "0"),
        ("add", "-A"),
        ("commit", "-q", "-m", "Begin"),
        ("checkout", "-q", "--detach"),
    ):
        subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment},
            check=True,
        )
    return folder


def memory() -> str | None:
    """A folder in memory where there is one: histories are written and thrown away."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
