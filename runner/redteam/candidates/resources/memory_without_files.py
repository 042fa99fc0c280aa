"""Holds memory that belongs to no file and no process: memfd, System V segments, pipes.

Idea: kernel objects as a hiding place from memory limits.
"""

import fcntl
import os

import kit


def anonymous_file():
    file = os.memfd_create("hoard")
    for _ in range(1024):
        os.write(file, b"x" * (1 << 20))
    return "1 GB in an anonymous file"


def pipes():
    for _ in range(4000):
        _, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.set_blocking(write, False)
        os.write(write, b"x" * (1 << 20))
    return "4 GB in pipes"


kit.attempt("shmget", lambda: kit.call("shmget", 0, 4 << 30, 0o1600) and "4 GB segment")
kit.attempt("memfd_create", anonymous_file)
kit.note({"tried": "pipes"})
kit.honest()
kit.attempt("pipes", pipes)
