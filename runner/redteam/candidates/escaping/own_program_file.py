"""Overwrites the program that it runs, and the one that started it, through /proc.

Idea: CVE-2019-5736: /proc/self/exe led to the host's runc, writable.
"""

import os

import kit

for process in ("self", "1", str(os.getppid())):
    path = f"/proc/{process}/exe"
    kit.attempt(f"open {path} for writing", lambda: open(path, "r+b"))
    kit.attempt(f"chmod {path}", lambda: os.chmod(path, 0o777) or True)
kit.honest()
