"""Forks twice, detaches, closes all output and lives on after its parent has ended in time.

Idea: the Unix daemon; best-known way to outlive a timeout.
"""

import ctypes
import os
import time

import kit

kit.honest()
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG: none
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 3)
            while True:
                time.sleep(0.01)
        os._exit(0)
kit.note({"tried": "daemons"})
