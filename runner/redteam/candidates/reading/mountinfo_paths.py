"""Learns the host's paths from /proc/self/mountinfo and looks for the targets around them.

Idea: well-known trick; mountinfo shows where on the host a bind mount comes from.
"""

import os
from pathlib import Path

import kit


def around():
    roots = {line.split()[3] for line in open("/proc/self/mountinfo")}
    for root in roots:
        for place in [Path(root), *Path(root).parents]:
            for name in ("targets.json", "../targets.json", "../salt.hex", "private/salt.hex"):
                if os.path.isfile(place / name):
                    return kit.dump(place / name)
    raise FileNotFoundError(2, "not there")


kit.attempt("targets beside the mounts", around)
kit.honest()
