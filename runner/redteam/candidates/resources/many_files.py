"""Makes files until it is stopped, to exhaust inodes and whoever lists them.

Idea: `os.listdir` on millions of names; inode exhaustion.
"""

import os

import kit

kit.honest()
kit.note({"tried": "millions of files"})
for number in range(10_000_000):
    os.close(os.open(kit.OUT / str(number), os.O_CREAT))
