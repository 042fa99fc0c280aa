"""`git cat-file --batch -z` that is no process."""

from __future__ import annotations

import os
import queue

from bench.simulation.quick.store import Store


class Batch:
    """Stands for the process: names are written to it, objects are read from it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._buffer = b""
        self.stdin = self.stdout = self.stderr = self

    def write(self, name: bytes) -> None:
        """Ask for an object."""
        revision, colon, path = name.rstrip(b"\0").decode("utf-8", "surrogateescape").partition(":")
        found = self.store.resolve(revision)
        for part in path.split("/") if colon and found else ():
            entries = self.store.entries(found or "")
            found = entries.get(os.fsencode(part), ("", None))[1]
            if found is None:
                break
        if found is None:
            self._answers.put(name.rstrip(b"\0") + b" missing\n")
            return
        kind, data = self.store.objects[found]
        self._answers.put(f"{found} {kind} {len(data)}\n".encode() + data + b"\n")

    def read(self, size: int = -1) -> bytes:
        """So many bytes of the answers; all that there are without a number."""
        while len(self._buffer) < size:
            self._buffer += self._answers.get()
        cut = len(self._buffer) if size < 0 else size
        answer, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return answer

    def readline(self) -> bytes:
        """The head of the next answer."""
        if not self._buffer:
            self._buffer = self._answers.get()
        return self.read(self._buffer.index(b"\n") + 1)

    def close(self) -> None:
        """Nothing is open."""

    def kill(self) -> None:
        """Nothing runs."""

    def wait(self) -> int:
        """It has ended well."""
        return 0
