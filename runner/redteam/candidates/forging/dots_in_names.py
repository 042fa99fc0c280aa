"""Tries to leave a file called `..`, and one whose path leads out of the output folder.

Idea: path traversal in archive members (zip slip, CVE-2018-1002200).
"""

import os

import kit

kit.attempt("a file named ..", lambda: os.open(kit.OUT / "..", os.O_CREAT | os.O_WRONLY))
kit.attempt("a way up", lambda: (kit.OUT / "../../escaped").write_text("x"))
kit.honest()
if kit.PHASE == "train":
    (kit.OUT / "..escaped").write_text("x")
