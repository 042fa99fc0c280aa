"""Checks of this machine: Python, git, disk, and what the runner's own doctor says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.doctor.finding import Finding, note, ok, problem

PYTHON, GIT = (3, 11), (2, 38)
_LITTLE_SPACE = 2 << 30
_RUNNER_S = 300


def python() -> Finding:
    """The interpreter of the bot and the runner."""
    found = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON))
    if sys.version_info[:2] < PYTHON:
        return problem("python", found, f"Install Python {wanted} or newer, then `make install`.")
    return ok("python", f"{found} ({sys.executable})")


def git() -> Finding:
    """The program that everything is kept with."""
    fix = "Install git {}.{} or newer.".format(*GIT)
    path = shutil.which("git")
    if path is None:
        return problem("git", "not found", fix)
    said = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < GIT:
        return problem("git", said.strip() or "it does not answer", fix)
    return ok("git", said.strip().removeprefix("git version "))


def disk(folder: Path) -> Finding:
    """The disk that the repository is on; that of the data is the runner's to check."""
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free at {folder}"
    if free < _LITTLE_SPACE:
        return problem("disk", found, "Make room: every verdict and every log is kept.")
    return ok("disk", found)


def runner(folder: Path, *, measures: bool = True) -> Iterator[Finding]:
    """Sandbox, GPU, interpreter and data, as `python -m runner doctor` finds them.

    `measures`: whether it is this machine that measures, so that it must have the data.
    """
    command = [sys.executable, "-m", "runner", "doctor", "--json"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_RUNNER_S
        )
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        yield problem("sandbox", f"no answer in {_RUNNER_S} s", "Run `python -m runner doctor`.")
        return
    except ValueError:
        words = " ".join(done.stderr.split())[-300:] or "the runner's doctor said nothing"
        yield problem("sandbox", words, "Run `python -m runner doctor` to see it in full.")
        return
    yield from runner_findings(told, measures=measures)


def runner_findings(told: Mapping[str, Any], *, measures: bool = True) -> Iterator[Finding]:
    """What the runner's doctor said, as lines of the table."""
    machine, problems = told["machine"], told["problems"]
    if told["chosen"]:
        yield ok("sandbox", f"{told['chosen']}: {told['why']}")
    else:
        yield problem("sandbox", "none", told["why"])
    for backend in told["backends"]:
        name = f"sandbox {backend['name']}"
        if not backend["identity"]:
            yield note(name, "cannot be had here", backend["reason"])
    gpu = machine["GPU"]
    yield ok("gpu", gpu) if gpu != "none" else note("gpu", "none: runs are made on the CPU")
    for name in ("interpreter", "data"):
        if machine[name] == "unknown":
            yield note(name, "not known without an interpreter")
        elif machine[name] == "none":
            fix = " ".join(problems) or "Run `python -m runner doctor`."
            yield problem(name, machine[name], fix)
        elif machine[name] in problems:  # the data: it is not there
            lacks = problem if measures else note
            yield lacks(name, machine[name], "Else the first run fails.")
        elif "not prepared yet" in machine[name]:
            yield note(name, machine[name], "The first step prepares it, which takes a while.")
        else:
            yield ok(name, machine[name])
    for words in problems:
        said = {told["why"], machine["data"]}
        if words not in said and machine["interpreter"] != "none":
            yield problem("runner", words, "Run `python -m runner doctor` to see it in full.")
