"""Hides its processes from inspection and then takes memory until it is stopped.

Idea: PR_SET_DUMPABLE makes /proc/<pid> unreadable for watchers of the same user.
"""

import ctypes

import kit

kit.honest()
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
kit.note({"tried": "undumpable memory bomb"})
kept = []
while True:
    kept.append(bytearray(b"x" * (8 << 20)))
