"""Leaves links to the targets in the model, so that the runner copies them into the next phase.

Idea: the classic of archive and artifact handlers (CVE-2024-21538 and its many relatives).
"""

import os

import kit

if kit.PHASE == "train":
    kit.honest()
    for number, path in enumerate(kit.known["secret_paths"]):
        os.symlink(path, kit.OUT / f"link-{number}")
    kit.note({"tried": "links to secrets in the model"})
else:
    for number, _ in enumerate(kit.known["secret_paths"]):
        kit.attempt("read through the link", lambda: kit.dump(kit.MODEL / f"link-{number}"))
    kit.honest()
