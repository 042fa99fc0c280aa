"""The bounded tail of what a job prints."""

from __future__ import annotations


class Tail:
    """Keeps the last `limit` bytes and counts all of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.total = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.total += len(chunk)
        self._kept += chunk
        # Cut now and then rather than at every chunk: deleting at the front moves the rest.
        if len(self._kept) > 2 * self._limit + (64 << 10):
            self._cut()

    def tail(self) -> bytes:
        """The last bytes, at most `limit`."""
        self._cut()
        return bytes(self._kept)

    def _cut(self) -> None:
        del self._kept[: max(0, len(self._kept) - self._limit)]
