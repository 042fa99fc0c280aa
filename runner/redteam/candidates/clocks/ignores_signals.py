"""Ignores every signal that can be ignored, in a session of its own, and goes on.

Idea: `docker stop` and polite harnesses send SIGTERM and wait.
"""

import os
import signal

import kit

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
kit.honest()
if os.fork() == 0:
    os.setsid()
kit.note({"tried": "ignores signals"})
while True:
    pass
