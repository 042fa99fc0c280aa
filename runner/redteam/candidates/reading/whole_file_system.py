"""Walks the whole visible file system and prints every small file that is not the system's.

Idea: the first thing that anybody does in a sandbox (`find / -type f`).
"""

import os
import sys
import time

import kit

skip = (
    "/proc",
    "/usr",
    "/lib",
    "/bin",
    "/sbin",
    "/data",
    "/candidate",
    "/model",
    sys.prefix,
    sys.base_prefix,
)
secrets = {path.rpartition("/")[2] for path in kit.known["secret_paths"]}


def walk():
    found = []
    enough = time.monotonic() + 6  # what is found by then is kept
    for folder, folders, files in os.walk("/"):
        if time.monotonic() > enough:
            break
        folders[:] = [f for f in folders if not os.path.join(folder, f).startswith(skip)]
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.path.getsize(path) < 65_536:
                kit.dump(path)
            if name in secrets:
                found.append(path)
    return found


kit.attempt("find secrets", walk)
kit.honest()
