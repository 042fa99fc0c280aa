"""What one run has in the engine: the container of its job, and what keeps the job's output."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner import interrupts
from runner.errors import RunnerError, SandboxUnavailable
from runner.sandbox.base import Job
from runner.sandbox.docker import specification
from runner.sandbox.docker.engine import ENGINE_ERRORS, Engine, said
from runner.sandbox.docker.image import Image
from runner.sandbox.docker.running import MemoryWatch
from runner.sandbox.label import new_label

_WATCHDOG = Path(__file__).with_name("watchdog.py")
# What engines say of a container that their runtime made a moment ago and does not start.
_MISFIRES = ("runtime start failed", "cannot start a stopped process")


class Misfire(SandboxUnavailable):
    """A container was not started properly, through no fault of the job."""


@dataclass(frozen=True)
class Place:
    """Names of what one run has in the engine."""

    run: str  # the label, and the name of the output's volume
    job: str
    keeper: str


@dataclass(frozen=True)
class State:
    """How a container ended."""

    exit_code: int
    out_of_memory: bool


@contextlib.contextmanager
def prepared(engine: Engine, job: Job, image: Image, runtime: str | None) -> Iterator[Place]:
    """The output's volume, its keeper, and the job's container, not started yet.

    All of it is removed at the end, also when this process is killed.

    Raises:
        SandboxUnavailable: the engine does not make them; Misfire where another try may help.
    """
    run = new_label()
    place = Place(run, f"{run}-job", f"{run}-keeper")
    body = specification.container(job, image, engine.facts, run, runtime)
    keeper = specification.keeper(job, image, engine.facts, run)
    with contextlib.ExitStack() as stack:
        # An engine finishes what it was asked for, whatever became of whoever asked.
        with interrupts.held():
            stack.enter_context(_watched(engine, place))
            stack.callback(_remove, engine, place)
            _make_volume(engine, job, run)
            _make_containers(engine, place, body, keeper)
        yield place


def attach(engine: Engine, name: str) -> object:
    """The stream of all that a container is going to print. Raises what `prepared` raises."""
    with _starting(engine):
        stream = engine.client.attach_socket(
            name, params={"stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
        )
        # The client's patience is for answers; a job may be silent for as long as it likes.
        engine.client._disable_socket_timeout(stream)
        return stream


def listen(engine: Engine, name: str) -> MemoryWatch:
    """Whoever hears when the kernel kills in a container. Raises what `prepared` raises."""
    with _starting(engine):
        return MemoryWatch(engine, name)


def start(engine: Engine, name: str) -> None:
    """Start a container. Raises what `prepared` raises."""
    with _starting(engine):
        engine.client.start(name)


def state(engine: Engine, name: str) -> State:
    """How a container ended.

    Raises:
        RunnerError: the engine does not know any more.
    """
    try:
        told = engine.client.inspect_container(name)["State"]
    except ENGINE_ERRORS as error:
        raise RunnerError(
            f"The Docker engine lost the container of the job: {said(error)}. "
            "Look at the engine's log and run it again."
        ) from error
    return State(int(told["ExitCode"]), bool(told.get("OOMKilled")))


def _remove(engine: Engine, place: Place) -> None:
    with interrupts.held():
        for name in (place.job, place.keeper):
            engine.remove(name)
        engine.remove_volume(place.run)


def _make_volume(engine: Engine, job: Job, run: str) -> None:
    with _starting(engine):
        engine.client.create_volume(
            run,
            driver="local",
            driver_opts=specification.volume(job, engine.facts),
            labels=specification.labels(run, job.limits.wall_s),
        )


def _make_containers(
    engine: Engine, place: Place, body: specification.Body, keeper: specification.Body
) -> None:
    """Both at once: each takes the engine a while."""
    errors: list[BaseException] = []

    def hold() -> None:
        try:
            engine.client.create_container_from_config(keeper, place.keeper)
            engine.client.start(place.keeper)
        except ENGINE_ERRORS as error:
            errors.append(error)

    held = threading.Thread(target=hold, daemon=True)
    held.start()
    try:
        with _starting(engine):
            engine.client.create_container_from_config(body, place.job)
    finally:
        held.join()
    if errors:
        with _starting(engine):
            raise errors[0]


@contextlib.contextmanager
def _starting(engine: Engine) -> Iterator[None]:
    """Errors of the engine while a job is being started."""
    try:
        yield
    except ENGINE_ERRORS as error:
        text = said(error)
        if "bind source path does not exist" in text:
            text += (
                ". The engine does not see this machine's files: it is remote, or in a mount "
                "namespace of its own. Run the runner beside the engine, or set TMPDIR to a "
                "folder that both see under the same path"
            )
        kind = Misfire if any(words in text for words in _MISFIRES) else SandboxUnavailable
        raise kind(
            f"The Docker engine at {engine.address} does not start the job: {text}."
        ) from error


@contextlib.contextmanager
def _watched(engine: Engine, place: Place) -> Iterator[None]:
    """With a process beside us that clears up when we are killed."""
    watchdog = subprocess.Popen(
        [sys.executable, "-I", str(_WATCHDOG), place.run, place.job, place.keeper],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "DOCKER_HOST": engine.address}, cwd="/", start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        watchdog.communicate(b".")
