"""Gives one file two names in the output, and tries to link files of its read-only mounts.

Idea: hard links keep a file writable, or readable, after it was checked.
"""

import os

import kit

for source in (kit.DATA / "images.npy", __file__, "/etc/passwd"):
    kit.attempt(f"link {source}", lambda: os.link(source, kit.OUT / "linked") or True)
kit.honest()
if kit.PHASE == "predict":
    os.link(kit.OUT / "predictions.npy", kit.OUT / "second-name.npy")
