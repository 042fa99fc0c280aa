"""Makes a swarm of children that die at once and are never waited for.

Idea: zombies hold a place in the process table each.
"""

import os
import time

import kit


def swarm():
    for number in range(100_000):
        if os.fork() == 0:
            os._exit(0)
        if number > 2 * kit.known["processes"]:
            return f"{number} zombies"


kit.attempt("swarm", swarm)
time.sleep(0.1)
kit.honest()
