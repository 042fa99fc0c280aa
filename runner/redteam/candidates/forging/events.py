"""Writes a forged result, as a JSON line, to every descriptor that it can write to.

Idea: the runner tells the bot its results through an inherited pipe; the candidate tries it too.
"""

import json
import os

import kit

line = json.dumps({"event": "result", "run": "run", "measurement": {"status": "ok", "metric": 1}})


def write_all():
    return [n for n in range(3, 1024) if _written(n)]


def _written(number):
    try:
        return os.write(number, line.encode() + b"\n")
    except OSError:
        return 0


os.write(1, line.encode() + b"\n")
kit.attempt("write to inherited descriptors", write_all)
kit.honest()
