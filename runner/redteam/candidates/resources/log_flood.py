"""Prints hundreds of megabytes, in one line without an end.

Idea: fill the disk or the memory of whoever keeps the log.
"""

import os

import kit

kit.honest()
kit.note({"tried": "flood"})
block = b"x" * (1 << 20)
while True:
    os.write(1, block)
