"""Prints text on which the patterns that read the log could take for ever.

Idea: regular expression denial of service (CWE-1333).
"""

import sys

import kit

kit.honest()
for piece in ("\x1b[" + "0;" * 60_000, "\x1b]" * 30_000, "\x1b" * 30_000, "step 1 " * 9_000,
              "Traceback (most recent call last):\n" * 900, "loss " + "1" * 60_000,
              '  File "/candidate/train.py", line ' + "9" * 30_000, "a." * 20_000):  # fmt: skip
    sys.stdout.write(piece + "\n")
kit.note({"tried": "slow patterns"})
