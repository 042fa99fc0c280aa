"""The self-check: what each sandbox really keeps from a job on this machine.

A probe is run as a candidate would be, in every backend that can be had here, and what it
reports is compared with what was promised. What a probe cannot tell (limits that have to be
exhausted) is told by the backend's own guarantees, and shown by `python -m runner redteam`.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.errors import DataError, RunnerError, SandboxUnavailable
from runner.gpu import Gpu, find_gpu
from runner.interpreter import Interpreter, find_interpreter
from runner.kinds import mounts, predictions
from runner.sandbox import cgroups
from runner.sandbox.base import Guarantee
from runner.sandbox.choose import choose
from runner.selfcheck import Expectation, probe
from runner.session import data_size, interpreter_of
from runner.settings import RunnerSettings
from runner.task.compose import DATA_VERSION
from runner.task.prepare import cache_folder
from runner.task.store import free_bytes

CONFINING = ("docker", "bubblewrap")
NEVER_PROMISED = ("kernel bugs",)
_LITTLE_SPACE = 2 << 30


@dataclass(frozen=True)
class Backend:
    """One backend on this machine. Without `identity` it cannot be had, for `reason`."""

    name: str
    identity: str
    reason: str
    expectations: tuple[Expectation, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()

    def broken(self) -> Iterator[str]:
        """What is promised and does not hold."""
        for expectation in self.expectations:
            if not expectation.held:
                yield f"{self.name}: {expectation.name}: {expectation.found}"
        for guarantee in self.guarantees:
            if not guarantee.held and guarantee.name not in NEVER_PROMISED:
                yield f"{self.name}: {guarantee.name} is not guaranteed: {guarantee.how}"


@dataclass(frozen=True)
class Diagnosis:
    """Everything that the doctor found. `machine` has words by what they are about."""

    chosen: str  # empty when there is none
    why: str
    machine: dict[str, str]
    backends: tuple[Backend, ...]
    problems: tuple[str, ...]


def diagnose(repository: Path, settings: RunnerSettings) -> Diagnosis:
    """Look at this machine with these settings, and at every backend that confines."""
    problems: list[str] = []
    interpreter, gpu = None, None
    try:
        interpreter = interpreter_of(repository, settings)
        if not interpreter.packages:  # a program that is no Python; the probe is one
            own = settings.candidate.model_copy(update={"python": sys.executable})
            interpreter = find_interpreter(repository, own)
        gpu = find_gpu(settings.budget, interpreter, cache_folder())
    except RunnerError as error:
        problems.append(str(error))
    machine = _machine(interpreter, gpu)
    try:
        machine["data"] = _data(repository, settings, interpreter, cache_folder())
    except DataError as error:
        machine["data"] = str(error)
        problems.append(str(error))
    if free_bytes(cache_folder()) < _LITTLE_SPACE:
        problems.append(f"Little space: {machine['disk']}. Make room, or set MERGELAB_CACHE.")
    chosen, why = _chosen(settings)
    if not chosen:
        problems.append(why)
    backends = tuple(
        _examine(name, repository, settings, interpreter, gpu) for name in CONFINING
    )  # fmt: skip
    for backend in backends:
        problems += backend.broken()
    return Diagnosis(chosen, why, machine, backends, tuple(problems))


def _machine(interpreter: Interpreter | None, gpu: Gpu | None) -> dict[str, str]:
    hierarchy = cgroups.find()
    groups = f"version {hierarchy.version}, writable" if hierarchy else "none that we may use"
    cache = cache_folder()
    torch = f", torch {interpreter.torch}" if interpreter and interpreter.torch else ""
    return {
        "control groups": groups,
        "GPU": f"{gpu.name}, driver {gpu.driver}" if gpu else "none",
        "interpreter": f"{interpreter.version}{torch}" if interpreter else "none",
        "disk": f"{free_bytes(cache) / 1e9:.1f} GB free for data in {cache}",
        "user": "root" if os.geteuid() == 0 else f"ordinary (id {os.geteuid()})",
        "kernel": os.uname().release,
    }


def _data(
    repository: Path, settings: RunnerSettings, interpreter: Interpreter | None, cache: Path
) -> str:
    """How the data stands. Raises DataError: a project's own is not there, or must not be shown."""
    if settings.task.kind == "predictions":
        predictions.find(repository, settings, cache)
    if settings.own_script:
        mounts.find(repository, settings.mount, cache)
        return f"the project's own, {len(settings.mount)} mounts"
    if interpreter is None:
        return "unknown"
    try:
        name = f"{DATA_VERSION}-{data_size(repository, settings)}"
    except RunnerError as error:
        return str(error)
    if (cache / "data" / name / "manifest.json").is_file():
        return f"{name} is prepared"
    return f"{name} is not prepared yet (python -m runner prepare)"


def _chosen(settings: RunnerSettings) -> tuple[str, str]:
    """The backend that a measurement would get, and why."""
    table = settings.sandbox
    if table.backend == "none":
        return "", 'sandbox.backend in bot.toml is "none", which confines nothing.'
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            sandbox = choose(table.backend, image=table.image, runtime=table.runtime)
    except SandboxUnavailable as error:
        return "", str(error)
    reason = said.getvalue().strip().rpartition("\n")[2].removeprefix("sandbox: ")
    if table.backend != "auto":
        reason = f'sandbox.backend in bot.toml is "{table.backend}"'
    return sandbox.name, reason or "no container engine was found"


def _examine(
    name: str,
    repository: Path,
    settings: RunnerSettings,
    interpreter: Interpreter | None,
    gpu: Gpu | None,
) -> Backend:
    table = settings.sandbox
    try:
        sandbox = choose(name, image=table.image, runtime=table.runtime)
    except SandboxUnavailable as error:
        return Backend(name, "", str(error))
    if interpreter is None:
        return Backend(name, sandbox.identity(), "", (), sandbox.guarantees())
    try:
        expectations = tuple(probe(sandbox, repository, interpreter, gpu))
    except RunnerError as error:
        expectations = (Expectation("the probe runs", False, str(error)),)
    return Backend(name, sandbox.identity(), "", expectations, sandbox.guarantees())
