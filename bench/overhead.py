"""What the machinery costs: `python -m bench overhead --json`.

Every figure is taken against the same thing without the machinery. Short things are interleaved
with it; a step runs first and its trainings and predictions, bare, after it. A busy machine blurs
the figures; nothing here is part of a timed test.

step_over_bare   a whole `bot step` on a fresh clone over the training and prediction runs that
                 it contains, repeated bare: 0.03 means 3 % more. Smoke runs are among them. It
                 may ask for three runs of each side, so that it ends soon: the fewer there are,
                 the more what a step costs once weighs.
sandbox_start_ms median start and end of an empty job in bubblewrap, less a bare process;
                 `sandbox` beside it names the version
log_10000_s      `bot log --json` over 10,000 experiments, median wall time
log_10000_mb     and the most memory that one of these took
startup_ms       `bot log --json` on an empty history, median wall time
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = ("sandbox_start_ms", "startup_ms", "log_10000_s", "log_10000_mb", "step_over_bare")
_BOT = [sys.executable, "-m", "bot"]


def main(argv: Sequence[str]) -> int:
    """Take the figures that are asked for and print them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench overhead",
        description="What the machinery costs, against the same without it.",
        epilog="Example: python -m bench overhead --only sandbox_start_ms startup_ms --json",
    )
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=FIGURES, metavar="FIGURE")
    parser.add_argument("--budget", type=float, default=60, help="seconds of training (60)")
    parser.add_argument("--repetitions", type=int, default=30, help="of short things (30)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    figures: dict[str, float | str] = {}
    with (
        _candidates_of_this_project(),
        tempfile.TemporaryDirectory(prefix="mergelab-bench-") as folder,
    ):
        place = Path(folder)
        if "sandbox_start_ms" in options.only:
            figures["sandbox"], figures["sandbox_start_ms"] = sandbox_start(
                options.repetitions, place
            )
        if "startup_ms" in options.only:
            figures["startup_ms"] = startup_ms(options.repetitions, place / "empty")
        if {"log_10000_s", "log_10000_mb"} & set(options.only):
            seconds, megabytes = log_cost(10_000, 5, place / "long")
            figures |= {"log_10000_s": seconds, "log_10000_mb": megabytes}
        if "step_over_bare" in options.only:
            figures["step_over_bare"] = step_over_bare(options.budget, place / "step")
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:18} {value if isinstance(value, str) else f'{value:.3f}'}")
    return 0


@contextlib.contextmanager
def _candidates_of_this_project() -> Iterator[None]:
    """Clones measure with this project's interpreter for candidates, unless another is named."""
    name = "MERGELAB_CANDIDATE_PYTHON"
    named = os.environ.get(name)
    os.environ[name] = named or str(ROOT / ".venv-candidate" / "bin" / "python")
    try:
        yield
    finally:
        if named is None:
            del os.environ[name]


def sandbox_start(repetitions: int, place: Path) -> tuple[str, float]:
    """Name of the sandbox, and median extra time of an empty job in it, in milliseconds."""
    from runner.sandbox.base import Job, Limits, Mount
    from runner.sandbox.choose import choose

    sandbox = choose("bubblewrap")  # "auto" would be Docker where an engine answers
    files = place / "files"
    files.mkdir()
    files.chmod(0o755)
    place.chmod(0o711)  # a sandbox started by root runs as another user
    job = Job(("/bin/true",), Limits(wall_s=60), mounts=(Mount(files, "/candidate"),))
    confined: list[float] = []
    bare: list[float] = []
    for number in range(max(20, repetitions)):
        confined.append(_timed(partial(sandbox.run, job, place / f"out-{number}")))
        bare.append(_timed(lambda: subprocess.run(["/bin/true"], check=True)))
    extra_s = statistics.median(confined) - statistics.median(bare)
    return sandbox.identity(), 1000 * extra_s


def startup_ms(repetitions: int, repository: Path) -> float:
    """Median time of `bot log --json` on an empty history, in milliseconds."""
    _new_repository(repository)
    command = [*_BOT, "log", "--json"]
    times = [_timed(lambda: _quiet(command, repository)) for _ in range(max(5, repetitions))]
    return 1000 * statistics.median(times)


def log_cost(experiments: int, repetitions: int, repository: Path) -> tuple[float, float]:
    """Median seconds and largest memory (MB) of `bot log --json` over a long ledger."""
    _new_repository(repository)
    _write_ledger(repository, experiments)
    seconds: list[float] = []
    megabytes: list[float] = []
    for _ in range(repetitions):
        started = time.perf_counter()
        with (repository.parent / "log.json").open("wb") as output:
            process = subprocess.Popen(
                [*_BOT, "log", "--json"],
                cwd=repository,
                stdout=output,
                env=_environment(repository),
            )
            _, code, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - started)
        process.returncode = os.waitstatus_to_exitcode(code)
        megabytes.append(usage.ru_maxrss * 1024 / 1e6)  # kibibytes on Linux
    listed = json.loads((repository.parent / "log.json").read_bytes())["experiments"]
    if len(listed) != experiments:
        raise RuntimeError(f"bot log lists {len(listed)} experiments instead of {experiments}")
    return statistics.median(seconds), max(megabytes)


def step_over_bare(budget_s: float, clone: Path) -> float:
    """How much longer a whole step takes than the runs in it take bare, as a share."""
    _clone(clone, budget_s)
    _quiet([sys.executable, "-m", "runner", "prepare"], clone)  # once per machine: not counted
    started = time.perf_counter()
    number = json.loads(_quiet([*_BOT, "step", "--json"], clone))["number"]
    step_s = time.perf_counter() - started
    shown = json.loads(_quiet([*_BOT, "show", str(number), "--json"], clone))
    runs = [run for attempt in shown["attempts"] for run in attempt["runs"]]
    return step_s / _bare_seconds(runs, clone, budget_s) - 1


def _bare_seconds(runs: Sequence[dict[str, Any]], clone: Path, budget_s: float) -> float:
    """The time of the same trainings and predictions, smoke runs among them, as bare processes."""
    from runner.candidate import lay_out, read_tree
    from runner.interpreter import find_interpreter
    from runner.request import Conditions
    from runner.session import open_session, settings_for

    conditions = Conditions(repository=str(clone), budget_s=budget_s)
    settings = settings_for(conditions, None)
    session = open_session(conditions, settings, lambda _: None, unconfined=False)
    full = session.task.full("validation", clone.parent / "full")
    smoke = session.task.smoke(clone.parent / "sliver")
    python = find_interpreter(clone, settings.candidate).path
    total_s = 0.0
    for number, run in enumerate(runs):
        folder = clone.parent / f"bare-{number}"
        lay_out(read_tree(clone, run["tree"], settings.candidate), folder)
        script = [str(python), "-u", "-B", str(folder / settings.candidate.entry)]
        passes = [(smoke, settings.budget.smoke_s)] if run["result"]["smoke_s"] else []
        passes += [(full, budget_s)] if run["result"]["train_s"] else []
        for staged, seconds in passes:
            model = clone.parent / f"model-{number}-{seconds:g}"
            model.mkdir()
            contract = {"SEED": str(run["seed"]), "TIME_BUDGET_S": f"{seconds:g}"}
            train = {"PHASE": "train", "DATA_DIR": staged.launch.mounts[0].source, "OUT_DIR": model}
            total_s += _bare(script, contract | train)
            for group, inputs in staged.inputs.items():
                output = model.with_name(f"{model.name}-{group}")
                output.mkdir()
                predict = {"PHASE": "predict", "GROUP": group, "MODEL_DIR": model}
                predict |= {"DATA_DIR": inputs, "OUT_DIR": output}
                total_s += _bare(script, contract | predict)
    return total_s


def _bare(command: Sequence[str], environment: dict[str, Any]) -> float:
    plain = {name: str(value) for name, value in environment.items()} | {"HOME": "/tmp"}
    return _timed(
        lambda: subprocess.run(command, env=plain, capture_output=True, check=True, cwd="/")
    )


def _new_repository(folder: Path) -> None:
    folder.mkdir(parents=True)
    _git(folder, "init", "-q", "-b", "main")
    (folder / "bot.toml").write_bytes((ROOT / "bot.toml").read_bytes())
    (folder / "train.py").write_bytes((ROOT / "train.py").read_bytes())
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "Start")


def _clone(folder: Path, budget_s: float) -> None:
    """This project as it is committed, with another budget, ready for a step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _quiet(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(folder)], ROOT)
    _git(folder, "checkout", "-q", "-B", "main")
    settings = folder / "bot.toml"
    lines = settings.read_text().splitlines(keepends=True)
    keys = ("cpu_s", "gpu_s")
    changed = [
        f"{line.split('=')[0]}= {budget_s}\n" if line.startswith(keys) else line for line in lines
    ]
    settings.write_text("".join([*changed, "\n[verdict]\nconfirm_seeds = 2\nmax_seeds = 3\n"]))
    for name, value in (("user.name", "Bench"), ("user.email", "bench@example.org")):
        _git(folder, "config", name, value)
    _git(folder, "commit", "-q", "--allow-empty", "-a", "-m", "Set the budget of the benchmark")


def _write_ledger(repository: Path, experiments: int) -> None:
    """A history of verdicts, written with `git fast-import` in the ledger's own words."""
    from bot.history import ledger_message
    from bot.model import Direction, Estimate, Purpose, Reason, Run, Side, Verdict

    head = _git(repository, "rev-parse", "HEAD").decode().strip()
    estimate = Estimate(-0.21, -0.47, 0.05, 0.95, 34.8, 35.0, 4, 4, 6.0)
    parent, stream = head, []
    for number in range(1, experiments + 1):
        runs = [
            (side, Run(head, seed, "ok", 35.0, Purpose.TEST, "0123456789ab", "a1", 70.0))
            for seed in range(4)
            for side in Side
        ]
        facts = ledger_message.Facts(
            number=number,
            title=f"Change the learning rate for the {number}th time",
            phase="default",
            proposer="search",
            metric="mean_rank",
            direction=Direction.LOWER,
            head=head,
            runs=runs,
        )
        reason = Reason.IMPROVEMENT if number % 10 == 0 else Reason.NO_EVIDENCE
        text = ledger_message.message(
            facts, Verdict(reason, "The interval contains zero.", estimate)
        )
        body = text.encode()
        person = f"Bench <bench@example.org> {1_700_000_000 + number} +0000"
        stream.append(
            f"commit refs/heads/main\nmark :{number}\ncommitter {person}\n"
            f"data {len(body)}\n".encode()
            + body
            + f"\nfrom {parent}\n\n".encode()
        )
        parent = f":{number}"
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=repository, input=b"".join(stream), check=True
    )


def _git(folder: Path, *arguments: str) -> bytes:
    identity = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org")
    return _quiet(["git", *identity, *arguments], folder)


def _quiet(command: Sequence[str], folder: Path) -> bytes:
    """Run to the end and return standard output; raises what it said if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=_environment(folder), capture_output=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace")[-2_000:]
        raise RuntimeError(f"{' '.join(command[:4])} failed in {folder}:\n{said}")
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    """For commands in `folder`: this project's code, unless it is a clone with its own."""
    environment = os.environ.copy()
    if not (folder / "bot").is_dir():
        environment["PYTHONPATH"] = str(ROOT)
    return environment


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
