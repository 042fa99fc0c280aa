"""Uses every file descriptor that it was born with: reads them, and climbs from folders.

Idea: CVE-2024-21626 (runc leaked a descriptor of the host's file system into containers).
"""

import os
import stat

import kit


def born_with():
    found = []
    for number in range(3, 1024):
        try:
            mode = os.fstat(number).st_mode
        except OSError:
            continue
        found.append(number)
        if stat.S_ISDIR(mode):
            os.open("..", os.O_RDONLY, dir_fd=number)
        else:
            os.write(1, os.read(number, 4096))
    return found


kit.attempt("descriptors above 2", born_with)
kit.attempt("standard input", lambda: os.read(0, 100))
kit.honest()
