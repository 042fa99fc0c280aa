"""What a sandbox costs, beside a bare process: `python -m bench sandbox --json`.

For every backend that this machine has: how much longer a job takes that does nothing
(`start_ms`: create, start, wait, collect, remove), and how much longer fixed work takes inside
(`work_over_bare`, a share; timed by the job itself, so without the start). The work is that of a
candidate: arithmetic, memory, and files of its output folder. Bare and confined take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.errors import RunnerError
from runner.interpreter import find_interpreter
from runner.sandbox.base import Job, Limits, Mount, Sandbox
from runner.sandbox.choose import choose
from runner.sandbox.runtime import runtime_mounts
from runner.settings import RunnerSettings
from runner.settings_file import load

ROOT = Path(__file__).parents[1]

WORK = """
import os, time
out = os.environ["OUT_DIR"]
began = time.perf_counter()
rows = [bytearray(1 << 20) for _ in range(64)]
total = 0
for turn in range(40):
    for number in range(50_000):
        total += number * turn % 7
    rows[turn % 64][:] = bytes(1 << 20)
    with open(f"{out}/file", "wb") as file:
        file.write(rows[0])
    with open(f"{out}/file", "rb") as file:
        file.read()
os.remove(f"{out}/file")
with open(f"{out}/seconds", "w") as file:
    file.write(str(time.perf_counter() - began))
"""


@dataclass(frozen=True)
class Cost:
    """What one backend costs on this machine; medians."""

    backend: str
    identity: str
    start_ms: float
    work_over_bare: float


def main(argv: Sequence[str]) -> int:
    """Take the figures of every backend that can be had and print them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench sandbox",
        description="What each sandbox costs, against a bare process.",
        epilog="Example: python -m bench sandbox --repetitions 20 --json",
    )
    parser.add_argument("--repetitions", type=int, default=20, help="of each measurement (20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    settings = load(ROOT / "bot.toml")
    costs, missing = [], {}
    for name in ("bubblewrap", "docker"):
        try:
            sandbox = choose(name, image=settings.sandbox.image)
        except RunnerError as error:
            missing[name] = str(error)
            print(f"{name}: not measured. {error}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix="mergelab-bench-", dir="/var/tmp") as folder:
            costs.append(cost(sandbox, settings, Path(folder), max(3, options.repetitions)))
    if options.json:
        print(json.dumps({"backends": [asdict(one) for one in costs], "not_measured": missing}))
    for one in [] if options.json else costs:
        print(f"{one.backend:11} start {one.start_ms:7.1f} ms   work {one.work_over_bare:+.1%}")
    return 0


def cost(sandbox: Sandbox, settings: RunnerSettings, place: Path, repetitions: int) -> Cost:
    """Both figures of one backend. Raises RunnerError."""
    place.chmod(0o711)  # a sandbox started by root runs as another user
    files = place / "files"
    files.mkdir(mode=0o755)
    (files / "work.py").write_text(WORK)
    python = find_interpreter(ROOT, settings.candidate).path
    mounts = (*runtime_mounts(python), Mount(files, "/candidate"))
    limits = Limits(wall_s=120, memory_bytes=512 << 20, processes=64, output_bytes=16 << 20)
    empty = Job(("/bin/true",), limits, mounts=mounts)
    script = (str(python), "-u", "-B")
    work = Job((*script, "/candidate/work.py"), limits, {"OUT_DIR": "/out"}, mounts)
    starts, bare_starts, inside, bare = [], [], [], []
    for number in range(repetitions):
        starts.append(_seconds(sandbox, empty, place / f"empty-{number}"))
        began = time.perf_counter()
        subprocess.run(["/bin/true"], check=True)
        bare_starts.append(time.perf_counter() - began)
        output = place / f"work-{number}"
        _seconds(sandbox, work, output)
        inside.append(float((output / "seconds").read_text()))
        output = place / f"bare-{number}"
        output.mkdir()
        command = [*script, str(files / "work.py")]
        subprocess.run(command, env={"OUT_DIR": str(output)}, check=True)
        bare.append(float((output / "seconds").read_text()))
    ratios = [one / other for one, other in zip(inside, bare, strict=True)]
    extra_s = statistics.median(starts) - statistics.median(bare_starts)
    over = statistics.median(ratios) - 1
    return Cost(sandbox.name, sandbox.identity(), 1000 * extra_s, over)


def _seconds(sandbox: Sandbox, job: Job, output: Path) -> float:
    began = time.perf_counter()
    outcome = sandbox.run(job, output)
    if outcome.exit_code != 0:
        said = outcome.log_tail.decode(errors="replace")[-300:]
        raise RunnerError(f"The job of the benchmark failed ({outcome.ended}): {said}")
    return time.perf_counter() - began
