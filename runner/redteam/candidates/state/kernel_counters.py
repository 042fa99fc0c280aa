"""Sends a number from the images' sandbox to the captions' by a counter of the whole machine.

Idea: counters in /proc that no namespace divides (ContainerLeaks, Gao et al., DSN 2017).
"""

import ctypes
import json
import mmap

import kit

NAME, SENT = "unevictable_pgs_mlocked", 4321


def counter():
    for line in open("/proc/vmstat"):
        name, value = line.split()
        if name == NAME:
            return int(value)
    raise LookupError("no such counter")


kit.honest()
if kit.PHASE == "train":
    kit.attempt(
        "a counter", lambda: (kit.OUT / "before.json").write_text(json.dumps(counter())) < 0
    )
elif kit.GROUP == "images":
    page = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    libc = ctypes.CDLL(None)
    for _ in range(SENT):
        libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(4096))
        libc.munlock(ctypes.c_void_p(address), ctypes.c_size_t(4096))
else:
    kit.attempt("read the number", lambda: SENT <= counter() - json.loads(
        (kit.MODEL / "before.json").read_text()) < SENT + 500)  # fmt: skip
