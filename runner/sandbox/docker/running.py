"""Seeing a container to its end: its output, its death, its deadline.

The engine answers late, or not at all, and a container may print without end; so each of
these has a thread of its own, and none of them waits for another. Death and the end of the
output are told by descriptors that become readable, which `runner.sandbox.supervise` polls
as it polls the processes of other sandboxes.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from docker.utils.socket import frames_iter

from runner.sandbox.base import Limits
from runner.sandbox.docker.engine import ENGINE_ERRORS, Engine
from runner.sandbox.supervise import Guard
from runner.sandbox.watch import Excess

_WAIT_SLICE_S = 60.0  # of one question whether the container is dead
_LAST_OUTPUT_S = 10.0  # for output that is still under way when the container is dead
_KILL_PATIENCE_S = 60.0
_KILL_AGAIN_S = 2.0
_GAUGE_S = 1.0
_LOOK_S = 0.1


class Signal:
    """A descriptor that becomes readable, once and for good."""

    def __init__(self) -> None:
        self.descriptor, self._other = os.pipe2(os.O_CLOEXEC)
        self._lock = threading.Lock()

    def give(self) -> None:
        """Make it readable."""
        with self._lock:
            if self._other >= 0:
                os.close(self._other)
                self._other = -1

    def wait(self, timeout_s: float) -> bool:
        """Whether it became readable in this time."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(max(0, timeout_s * 1000)))

    def close(self) -> None:
        """Give back both ends."""
        self.give()
        os.close(self.descriptor)


class Pump(threading.Thread):
    """Moves what a container prints from the engine's stream into a pipe.

    When the pipe is full it waits, then the engine does, then the container.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(name="sandbox-output", daemon=True)
        self._stream = stream
        self.log, self._writer = os.pipe2(os.O_CLOEXEC)

    def run(self) -> None:
        """Until the stream ends or nobody reads any more."""
        with contextlib.suppress(OSError, *ENGINE_ERRORS):
            for _, chunk in frames_iter(self._stream, tty=False):
                view = memoryview(chunk)
                while view:
                    view = view[os.write(self._writer, view) :]
        os.close(self._writer)
        with contextlib.suppress(Exception):
            response = getattr(self._stream, "_response", None)
            self._stream.close()
            if response is not None:
                response.close()


class Vigil(threading.Thread):
    """Asks the engine until the container is dead."""

    def __init__(self, engine: Engine, name: str, pump: Pump) -> None:
        super().__init__(name="sandbox-vigil", daemon=True)
        self._engine = engine
        self._name = name
        self._pump = pump
        self._given_up = False
        self.dead = Signal()
        self.finished = Signal()  # dead, and its output is read

    def run(self) -> None:
        """Until it is dead, and then until its last output has come."""
        while not self._given_up and not self._is_dead():
            pass
        self.dead.give()
        self._pump.join(_LAST_OUTPUT_S)
        self.finished.give()

    def give_up(self) -> None:
        """The container has been removed, or cannot be."""
        self._given_up = True

    def _is_dead(self) -> bool:
        try:
            self._engine.client.wait(self._name, timeout=_WAIT_SLICE_S, condition="not-running")
        except ENGINE_ERRORS as error:
            if getattr(error, "status_code", None) == 404:
                return True
            time.sleep(0.05)
            return False
        return True


class MemoryWatch(threading.Thread):
    """Hears from the engine when the kernel kills a process of a container for its memory.

    The rest of the container could carry on without it; the engine only tells.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        """Listens from now on, which may be before the container is started."""
        super().__init__(name="sandbox-memory", daemon=True)
        chosen = {"container": name, "event": ["oom", "die"]}
        self._events = engine.client.events(filters=chosen, decode=True)
        self.killed = False

    def run(self) -> None:
        """Until the container is dead, or `close`."""
        # Closing the stream under a reader makes the SDK raise all sorts of things.
        with contextlib.suppress(Exception):
            for event in self._events:
                if event.get("status") == "oom":
                    self.killed = True
                elif event.get("status") == "die":
                    break

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(Exception):
            self._events.close()


class EngineGuard(Guard):
    """Kills a container by its engine, again and again until it is dead."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        vigil: Vigil,
        limits: Limits,
        look: Callable[[], Excess | None],
    ) -> None:
        super().__init__(vigil.dead.descriptor, limits, look, _LOOK_S)
        self._engine = engine
        self._name = name
        self._vigil = vigil

    def stop(self) -> None:
        """Kill it now, unless it is dead."""
        self.killed_at = self.killed_at or time.monotonic()
        end = self.killed_at + _KILL_PATIENCE_S
        while not self._vigil.dead.wait(0) and time.monotonic() < end:
            self._engine.kill(self._name)
            if self._vigil.dead.wait(_KILL_AGAIN_S):
                return


class Gauge(threading.Thread):
    """Looks at the memory of a container now and then; only to tell, never to limit."""

    def __init__(self, engine: Engine, name: str, dead: Callable[[float], bool]) -> None:
        super().__init__(name="sandbox-gauge", daemon=True)
        self._engine = engine
        self._name = name
        self._dead = dead
        self.most_bytes: int | None = None

    def run(self) -> None:
        """Until it is dead."""
        with contextlib.suppress(OSError, *ENGINE_ERRORS):
            while not self._dead(_GAUGE_S):
                told = self._engine.client.stats(self._name, stream=False, one_shot=True)
                memory = told.get("memory_stats") or {}
                seen = memory.get("max_usage") or memory.get("usage")
                if isinstance(seen, int):
                    self.most_bytes = max(self.most_bytes or 0, seen)
