"""Stops itself and its children, so that nothing ever ends.

Idea: SIGSTOP; a stopped process takes no signal but SIGKILL.
"""

import os
import signal

import kit

kit.honest()
kit.note({"tried": "stops itself"})
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
os.kill(os.getpid(), signal.SIGSTOP)
