"""Opens a terminal of its own, makes it the controlling one, and types into that.

Idea: the same ioctl, tried where the file at least exists.
"""

import fcntl
import os
import pty

import kit


def type_into_own():
    _, terminal = pty.openpty()
    os.setsid()
    fcntl.ioctl(terminal, 0x540E, 0)  # TIOCSCTTY
    fcntl.ioctl(terminal, 0x5412, b"x")  # TIOCSTI
    return "typed"


kit.attempt("ioctl TIOCSTI", lambda: kit.in_a_child(type_into_own))
kit.honest()
