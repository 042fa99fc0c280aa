"""Takes memory until it is stopped, in several processes at once.

Idea: limits per process (ulimit -v) that forget how many processes there are.
"""

import os

import kit

kit.honest()
kit.note({"tried": "memory bomb"})
for _ in range(3):
    os.fork()
kept = []
while True:
    kept.append(bytearray(b"x" * (8 << 20)))
