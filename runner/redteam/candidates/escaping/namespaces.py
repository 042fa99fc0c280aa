"""Makes a user namespace to become root in it, and enters namespaces of other processes.

Idea: most kernel exploits of the last years begin with unshare(CLONE_NEWUSER).
"""

import ctypes
import os

import kit

NEW_USER, NEW_NET, NEW_MOUNT = 0x10000000, 0x40000000, 0x20000
for flag in (NEW_USER, NEW_USER | NEW_NET, NEW_MOUNT):
    kit.attempt(f"unshare {flag:#x}", lambda: kit.in_a_child(lambda: kit.call("unshare", flag)))


def clone():
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    pid = libc.syscall(ctypes.c_long(number), ctypes.c_long(NEW_USER | 17), 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    return "a new user namespace"


kit.attempt("clone", clone)
for process in (1, kit.known["victim"]):
    for kind in ("user", "mnt", "net", "pid"):
        kit.attempt(f"setns {kind}", lambda: kit.call(
            "setns", os.open(f"/proc/{process}/ns/{kind}", os.O_RDONLY), 0))  # fmt: skip
kit.honest()
