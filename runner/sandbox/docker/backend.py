"""The Docker backend: a job in a container of its own, with no network and nothing to write."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from runner.sandbox import arguments, collect
from runner.sandbox.base import Ended, Guarantee, Job, Limits, Outcome
from runner.sandbox.bubblewrap import split_status
from runner.sandbox.docker import archive, container, orphans, specification, suitable
from runner.sandbox.docker.container import Misfire, Place
from runner.sandbox.docker.engine import connect
from runner.sandbox.docker.image import find
from runner.sandbox.docker.running import EngineGuard, Gauge, Pump, Vigil
from runner.sandbox.output import Tail
from runner.sandbox.supervise import follow
from runner.sandbox.watch import Excess

_VIGIL_PATIENCE_S = 15.0
_TRIES = 3


class Docker:
    """Runs jobs in containers. Make it with `runner.sandbox.choose`."""

    name = "docker"

    def __init__(self, image: str, runtime: str | None = None) -> None:
        """Raises SandboxUnavailable when the engine, the image or the runtime will not do."""
        self._engine = connect()
        orphans.reap(self._engine)
        self._runtime = runtime
        suitable.check(self._engine, runtime)
        self._image = find(self._engine, image)
        suitable.try_out(self, self._engine, self._image, runtime)

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
            with contextlib.suppress(Misfire):
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
            place = stack.enter_context(
                container.prepared(self._engine, job, self._image, self._runtime)
            )
            pump = Pump(container.attach(self._engine, place.job))
            stack.callback(os.close, pump.log)
            pump.start()
            vigil = Vigil(self._engine, place.job, pump)
            stack.callback(self._close, place, vigil)
            memory = container.listen(self._engine, place.job)
            stack.callback(memory.close)
            memory.start()
            container.start(self._engine, place.job)

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
            state = container.state(self._engine, place.job)
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

    def _collect(self, place: Place, job: Job, collect_to: Path) -> Excess | None:
        try:
            archive.fetch(self._engine, place.keeper, job.output_directory, collect_to, job.limits)
        except collect.OutputRefused as refused:
            return Excess(Ended.OUTPUT_LIMIT, f"left in the output folder: {refused}")
        return None

    def _close(self, place: Place, vigil: Vigil) -> None:
        """End the thread that waits for the container's death, by its death if need be."""
        self._engine.remove(place.job)
        vigil.give_up()
        if vigil.ident is not None:
            vigil.join(_VIGIL_PATIENCE_S)
        if not vigil.is_alive():
            vigil.dead.close()
            vigil.finished.close()


def _out_of_memory(limits: Limits) -> Excess:
    return Excess(Ended.OUT_OF_MEMORY, f"held more than {limits.memory_bytes} bytes of memory")
