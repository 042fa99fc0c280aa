"""Kills and stops processes of the host: the runner first.

Idea: whoever runs as the same user can end the watcher.
"""

import os
import signal

import kit

for process in (kit.known["victim"], kit.known["runner"]):
    for number in (signal.SIGSTOP, signal.SIGKILL):
        kit.attempt(f"kill {process}", lambda: os.kill(process, number) or True)
kit.honest()
kit.note({"tried": "kill everything"})
if os.fork() == 0:
    os.setsid()
    try:
        os.kill(-1, signal.SIGKILL)  # everybody but ourselves
    finally:
        os._exit(0)
os.wait()
