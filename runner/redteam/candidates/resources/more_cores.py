"""Chooses the cores that it runs on, and all of them.

Idea: a runner that is pinned to some cores gives its number for those; take the others too.
"""

import os

import kit

for who in (0, kit.known["runner"]):
    kit.attempt(
        f"cores of {who}", lambda: os.sched_setaffinity(who, range(os.cpu_count())) or "all cores"
    )
kit.honest()
