"""Writes to every folder that it can reach until the disk is full.

Idea: the host's disk as a denial of service.
"""

import os

import kit


def writable():
    places = []
    for folder, folders, _ in os.walk("/"):
        folders[:] = [f for f in folders if f not in ("proc", "site-packages", "share", "lib")]
        if os.access(folder, os.W_OK) and not folder.startswith((str(kit.OUT), "/tmp", "/dev/shm")):
            try:
                with open(f"{folder}/fill", "wb") as file:
                    file.write(b"x" * (1 << 20))
                places.append(folder)
            except OSError:
                pass
    return places


kit.attempt("write elsewhere", writable)
kit.honest()
