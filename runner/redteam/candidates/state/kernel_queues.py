"""Leaves messages in System V and POSIX queues, segments and semaphores for the next run.

Idea: IPC objects live until they are removed, not until their maker ends.
"""

import ctypes
import os

import kit

KEY = 0x4D4C
kit.attempt("shmget", lambda: kit.call("shmget", KEY, 4096, 0o666) and "a segment is there")
kit.attempt("msgget", lambda: kit.call("msgget", KEY, 0o666) and "a queue is there")
kit.attempt("semget", lambda: kit.call("semget", KEY, 1, 0o666) and "a semaphore is there")
queue = ctypes.c_char_p(b"redteam")
kit.attempt("mq_open", lambda: kit.call("mq_open", queue, os.O_RDWR, 0, 0) and "a queue is there")
for name, arguments in (("shmget", (KEY, 4096, 0o1666)), ("msgget", (KEY, 0o1666)),
                        ("semget", (KEY, 1, 0o1666)),
                        ("mq_open", (queue, os.O_RDWR | os.O_CREAT, 0o666, 0))):  # fmt: skip
    try:
        kit.call(name, *arguments)
    except OSError:
        pass
kit.honest()
