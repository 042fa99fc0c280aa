"""Looks for capabilities it has, could have, or could give to a file.

Idea: CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE and friends, forgotten in a container.
"""

import ctypes
import os

import kit


def has():
    sets = [line for line in open("/proc/self/status") if line.startswith("Cap")]
    return [line for line in sets if int(line.split()[1], 16)]


def raise_ambient():
    if ctypes.CDLL(None).prctl(47, 2, 21, 0, 0) == 0:  # PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN
        return "CAP_SYS_ADMIN is ambient"


def of_a_file():
    open("/tmp/program", "w").close()
    os.setxattr("/tmp/program", "security.capability", b"\1\0\0\2" + b"\xff" * 16)
    return "a file with capabilities"


kit.attempt("capabilities", has)
kit.attempt("ambient capabilities", raise_ambient)
kit.attempt("file capabilities", of_a_file)
kit.honest()
