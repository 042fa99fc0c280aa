"""Fills /dev/shm, /tmp and its output with data, which is memory too.

Idea: tmpfs counts as nobody's memory where only processes are watched.
"""

import kit


def fill(folder):
    with open(f"{folder}/fill", "wb", buffering=0) as file:
        for _ in range(2048):
            file.write(b"x" * (1 << 20))
    return "2 GB were written"


for folder in ("/dev/shm", "/tmp", str(kit.OUT)):
    kit.attempt(f"fill {folder}", lambda: fill(folder))
    open(f"{folder}/fill", "wb").close()
kit.honest()
