"""The Docker backend: a job in a container of its own, with no network and nothing to write."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.errors import RunnerError, SandboxUnavailable
from runner.sandbox import arguments, collect
from runner.sandbox.base import Ended, Guarantee, Job, Limits, Mount, Outcome
from runner.sandbox.bubblewrap import split_status
from runner.sandbox.docker import archive, orphans, specification
from runner.sandbox.docker import filter as call_filter
from runner.sandbox.docker.engine import ENGINE_ERRORS, Engine, connect, said
from runner.sandbox.docker.image import find
from runner.sandbox.docker.running import EngineGuard, Gauge, MemoryWatch, Pump, Vigil
from runner.sandbox.label import new_label
from runner.sandbox.output import Tail
from runner.sandbox.supervise import follow
from runner.sandbox.watch import Excess

_WATCHDOG = Path(__file__).with_name("watchdog.py")
_VIGIL_PATIENCE_S = 15.0
# What engines say of a container that their runtime made a moment ago and does not start.
_MISFIRES = ("runtime start failed", "cannot start a stopped process")
_TRIES = 3
_PROBE = "open('/out/word', 'w').write(open('/probe/word').read())"


class _Misfire(SandboxUnavailable):
    """A container was not started properly, through no fault of the job."""


class Docker:
    """Runs jobs in containers. Make it with `runner.sandbox.choose`."""

    name = "docker"

    def __init__(self, image: str, runtime: str | None = None) -> None:
        """Raises SandboxUnavailable when the engine, the image or the runtime will not do."""
        self._engine = connect()
        orphans.reap(self._engine)
        self._runtime = runtime
        _check(self._engine, runtime)
        self._image = find(self._engine, image)
        _try_out(self)

    def identity(self) -> str:
        """Engine, runtime, and the image by its digest."""
        facts = self._engine.facts
        runtime = self._runtime or facts.default_runtime
        return f"docker {facts.version} runtime {runtime} image {self._image.id}"

    def guarantees(self) -> tuple[Guarantee, ...]:
        """What holds on this machine."""
        from runner.sandbox.docker.guarantees import docker_guarantees

        return docker_guarantees(self._engine.facts, self._runtime)

    def run(
        self, job: Job, collect_to: Path, on_output: Callable[[bytes], None] | None = None
    ) -> Outcome:
        """See `runner.sandbox.base.Sandbox.run`.

        A container that the engine does not start properly, as engines under load let happen now
        and then, is made anew: what it may have done is thrown away with it.
        """
        for _ in range(_TRIES - 1):
            with contextlib.suppress(_Misfire):
                return self._run(job, collect_to, on_output)
        return self._run(job, collect_to, on_output)

    def _run(
        self, job: Job, collect_to: Path, on_output: Callable[[bytes], None] | None
    ) -> Outcome:
        arguments.check(job)
        if job.network:
            raise ValueError("the Docker backend gives no job the network")
        specification.check_sources(job)
        collect.prepare(collect_to)
        tail = Tail(job.limits.log_bytes)
        with contextlib.ExitStack() as stack:
            place = self._prepare(job, stack)
            pump = Pump(self._attach(place.job))
            stack.callback(os.close, pump.log)
            pump.start()
            vigil = Vigil(self._engine, place.job, pump)
            stack.callback(self._close, place, vigil)
            memory = self._listen(place.job)
            stack.callback(memory.close)
            memory.start()
            self._start(place.job)

            def look() -> Excess | None:
                return _out_of_memory(job.limits) if memory.killed else None

            guard = EngineGuard(self._engine, place.job, vigil, job.limits, look)
            gauge = Gauge(self._engine, place.job, vigil.dead.wait)
            vigil.start()
            gauge.start()
            guard.start()
            try:
                follow(
                    guard,
                    process=vigil.finished.descriptor,
                    launcher=vigil.finished.descriptor,
                    log=pump.log,
                    tail=tail,
                    on_output=on_output,
                )
            finally:
                guard.finish()
            gauge.join()
            if guard.error is not None:
                raise guard.error
            state = self._state(place.job)
            starved = memory.killed or state.out_of_memory
            excess = guard.excess or (_out_of_memory(job.limits) if starved else None)
            if excess is None:
                excess = self._collect(place, job, collect_to)
            code, signal = split_status(state.exit_code)
            return Outcome(
                ended=Ended.EXITED if excess is None else excess.ended,
                wall_s=guard.wall_s,
                log_tail=tail.tail(),
                log_bytes_total=tail.total,
                exit_code=code,
                signal=signal,
                # What the kernel stopped had come to the limit, whatever was seen before.
                peak_memory_bytes=job.limits.memory_bytes if starved else gauge.most_bytes,
                note="" if excess is None else excess.note,
            )

    def _prepare(self, job: Job, stack: contextlib.ExitStack) -> _Place:
        """Make the output's volume, its keeper, and the job's container, not started yet."""
        run = new_label()
        place = _Place(run, f"{run}-job", f"{run}-keeper")
        client, facts = self._engine.client, self._engine.facts
        body = specification.container(job, self._image, facts, run, self._runtime)
        keeper = specification.keeper(job, self._image, facts, run)
        stack.enter_context(_watched(self._engine, place))
        stack.callback(self._remove, place)
        with _starting(self._engine):
            client.create_volume(
                run,
                driver="local",
                driver_opts=specification.volume(job, facts),
                labels=specification.labels(run, job.limits.wall_s),
            )
        errors: list[BaseException] = []
        held = threading.Thread(target=self._hold, args=(place, keeper, errors), daemon=True)
        held.start()
        try:
            with _starting(self._engine):
                client.create_container_from_config(body, place.job)
        finally:
            held.join()
        if errors:
            with _starting(self._engine):
                raise errors[0]
        return place

    def _hold(self, place: _Place, keeper: specification.Body, errors: list[BaseException]) -> None:
        try:
            self._engine.client.create_container_from_config(keeper, place.keeper)
            self._engine.client.start(place.keeper)
        except ENGINE_ERRORS as error:
            errors.append(error)

    def _attach(self, name: str) -> object:
        with _starting(self._engine):
            stream = self._engine.client.attach_socket(
                name, params={"stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
            )
            # The client's patience is for answers; a job may be silent for as long as it likes.
            self._engine.client._disable_socket_timeout(stream)
            return stream

    def _listen(self, name: str) -> MemoryWatch:
        with _starting(self._engine):
            return MemoryWatch(self._engine, name)

    def _start(self, name: str) -> None:
        with _starting(self._engine):
            self._engine.client.start(name)

    def _state(self, name: str) -> _State:
        try:
            told = self._engine.client.inspect_container(name)["State"]
        except ENGINE_ERRORS as error:
            raise RunnerError(
                f"The Docker engine lost the container of the job: {said(error)}. "
                "Look at the engine's log and run it again."
            ) from error
        return _State(int(told["ExitCode"]), bool(told.get("OOMKilled")))

    def _collect(self, place: _Place, job: Job, collect_to: Path) -> Excess | None:
        try:
            archive.fetch(self._engine, place.keeper, job.output_directory, collect_to, job.limits)
        except collect.OutputRefused as refused:
            return Excess(Ended.OUTPUT_LIMIT, f"left in the output folder: {refused}")
        return None

    def _close(self, place: _Place, vigil: Vigil) -> None:
        """End the thread that waits for the container's death, by its death if need be."""
        self._engine.remove(place.job)
        vigil.give_up()
        if vigil.ident is not None:
            vigil.join(_VIGIL_PATIENCE_S)
        if not vigil.is_alive():
            vigil.dead.close()
            vigil.finished.close()

    def _remove(self, place: _Place) -> None:
        for name in (place.job, place.keeper):
            self._engine.remove(name)
        self._engine.remove_volume(place.run)


@dataclasses.dataclass(frozen=True)
class _Place:
    """Names of what one run has in the engine."""

    run: str  # the label, and the name of the output's volume
    job: str
    keeper: str


@dataclasses.dataclass(frozen=True)
class _State:
    """How a container ended."""

    exit_code: int
    out_of_memory: bool


def _out_of_memory(limits: Limits) -> Excess:
    return Excess(Ended.OUT_OF_MEMORY, f"held more than {limits.memory_bytes} bytes of memory")


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
        kind = _Misfire if any(words in text for words in _MISFIRES) else SandboxUnavailable
        raise kind(
            f"The Docker engine at {engine.address} does not start the job: {text}."
        ) from error


@contextlib.contextmanager
def _watched(engine: Engine, place: _Place) -> Iterator[None]:
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


def _check(engine: Engine, runtime: str | None) -> None:
    """Refuse an engine that would leave out a limit, which engines do without an error."""
    facts = engine.facts
    missing = [
        what
        for what, there in (
            ("memory limits", facts.memory_limit),
            ("limits of processes", facts.processes_limit),
            ("system-call filters (seccomp)", facts.seccomp),
        )
        if not there
    ]
    if missing:
        raise SandboxUnavailable(
            f"The Docker engine at {engine.address} cannot enforce {', '.join(missing)}. A "
            "rootless engine needs control groups of version 2 with the controllers memory and "
            'pids delegated to its user; or set sandbox.backend in bot.toml to "bubblewrap".'
        )
    if not call_filter.supported(facts.machine):
        raise SandboxUnavailable(
            f"The Docker engine at {engine.address} runs on {facts.machine}, for which there is no "
            "system-call filter; there is one for x86_64 and for aarch64. Use such a machine."
        )
    if runtime is not None and runtime not in facts.runtimes:
        raise SandboxUnavailable(
            f"The Docker engine at {engine.address} has no runtime {runtime!r}; it knows "
            f"{', '.join(sorted(facts.runtimes))}. Register it with the engine, or correct "
            "sandbox.runtime in bot.toml."
        )


_tried_out: set[tuple[str, str, str | None]] = set()


def _try_out(sandbox: Docker) -> None:
    """Run the interpreter once, on a file of this machine, and see that it saw that file."""
    key = (sandbox._engine.address, sandbox._image.id, sandbox._runtime)
    if key in _tried_out:
        return
    with tempfile.TemporaryDirectory(prefix="mergelab-probe-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        probe, word = folder / "probe", secrets.token_hex(16)
        probe.mkdir(mode=0o755)
        (probe / "word").write_text(word)
        job = Job(
            argv=(sandbox._image.interpreter, "-I", "-S", "-c", _PROBE),
            limits=Limits(wall_s=60, memory_bytes=256 << 20, processes=16, output_bytes=1 << 20),
            mounts=(Mount(probe, "/probe"),),
        )
        outcome = sandbox.run(job, folder / "out")
        kept = folder / "out/word"
        if not kept.is_file() or kept.read_text() != word:
            words = outcome.log_tail.decode(errors="replace").strip()[-300:]
            raise SandboxUnavailable(
                f"A trial job in the image {sandbox._image.name!r} failed "
                f"({outcome.note or words or outcome.exit_code}). Build the image again "
                "(python -m runner image --build) and see `docker info` for warnings."
            )
    _tried_out.add(key)
