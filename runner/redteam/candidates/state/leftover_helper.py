"""Leaves a process that listens on an abstract socket, and calls it in the next run.

Idea: abstract sockets have no file and need no cleaning up; a helper keeps everything in memory.
"""

import os
import socket
import time

import kit

name = f"\0redteam-{kit.known['token']}"


def call_helper():
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(name)
    return "an earlier helper answered"


kit.attempt("call the helper", call_helper)
if os.fork() == 0:
    os.setsid()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        time.sleep(600)
kit.honest()
