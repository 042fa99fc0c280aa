"""Leaves sparse files that claim to be terabytes.

Idea: copying a sparse file writes out its holes.
"""

import os
import signal

import kit

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def sparse(size):
    with open(kit.OUT / "sparse", "wb") as file:
        os.truncate(file.fileno(), size)
    return f"a file of {size} bytes"


for size in (1 << 50, 1 << 40, 1 << 30):
    kit.attempt(f"truncate to {size}", lambda: sparse(size))
kit.honest()
for number in range(8):  # each within the limit of a file, all together far beyond
    os.truncate(os.open(kit.OUT / f"sparse-{number}", os.O_CREAT | os.O_RDWR), 6 << 20)
kit.note({"tried": "many sparse files"})
