"""Talks to abstract sockets of the host, which no file system hides.

Idea: CVE-2020-15257 (containerd's shim listened on one).
"""

import socket

import kit


def call():
    with socket.socket(socket.AF_UNIX) as made:
        made.connect("\0" + kit.known["abstract_socket"])
        made.send(b"hello from the sandbox")
    return "connected"


kit.attempt("connect", call)
kit.attempt("list", lambda: kit.known["abstract_socket"] in open("/proc/net/unix").read())
kit.honest()
