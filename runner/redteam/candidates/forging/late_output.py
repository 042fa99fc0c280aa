"""Writes better predictions at exit, and from a child after the candidate has ended.

Idea: harnesses that check first and read later.
"""

import atexit
import os
import time

import kit

kit.honest()
atexit.register(lambda: (kit.OUT / "late").write_text("at exit"))
if os.fork() == 0:
    os.setsid()
    time.sleep(0.05)
    while True:
        (kit.OUT / "predictions.npy").write_bytes(b"forged after the end")
