"""Sends a message from the images' sandbox to the captions' by evicting pages from the cache.

Idea: page cache attacks (Gruss et al., CCS 2019): posix_fadvise evicts, RWF_NOWAIT and mincore
tell what is cached.
"""

import os
import time

import kit

message = [1, 0, 1, 1, 0, 0, 1, 0]
kit.honest()


def is_cached(path):
    file = os.open(path, os.O_RDONLY)
    try:
        os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    return True


if kit.PHASE == "train":
    for bit, _ in enumerate(message):
        (kit.OUT / f"bit-{bit}").write_bytes(b"x" * 65_536)
elif kit.GROUP == "images":
    for _ in range(3):
        for bit, value in enumerate(message):
            if value:
                file = os.open(kit.MODEL / f"bit-{bit}", os.O_RDONLY)
                kit.attempt("evict", lambda: os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED))
        time.sleep(0.1)
else:
    kit.attempt("read the message", lambda: message == [
        int(not is_cached(kit.MODEL / f"bit-{bit}")) for bit, _ in enumerate(message)])  # fmt: skip
