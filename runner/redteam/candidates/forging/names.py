"""Leaves files with names that break logs, shells and path checks.

Idea: newlines, leading dashes, right-to-left marks, bytes that are no UTF-8, 255 bytes.
"""

import kit

kit.honest()
if kit.PHASE == "train":
    for name in (
        b"a\nstatus: ok",
        b"-rf",
        b"...",
        b"x\xff\xfe",
        b"n" * 255,
        b"\xe2\x80\xaegnp.exe",
    ):
        with open(bytes(kit.OUT) + b"/" + name, "wb"):
            pass
