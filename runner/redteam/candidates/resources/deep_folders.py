"""Nests folders so deeply that whoever walks or removes them recursively fails.

Idea: recursion limits and PATH_MAX in cleaners (rm had such a bug).
"""

import os

import kit

kit.honest()
if kit.PHASE == "train":
    os.chdir(kit.OUT)
    for _ in range(700):
        os.mkdir("d")
        os.chdir("d")
    kit.note({"tried": "700 folders deep"})
