"""Talks to services that listen on the host's own loopback addresses.

Idea: databases, notebooks and engines that trust whoever comes from localhost.
"""

import socket

import kit


def call(family, kind, address):
    with socket.socket(family, kind) as made:
        made.settimeout(1)
        made.connect((address, kit.known["ports"][f"{kind.name}-{family.name}"]))
        made.send(b"hello from the sandbox")
        return made.recv(10) or "connected"


for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        kit.attempt(f"{kind.name} {address}", lambda: call(family, kind, address))
kit.honest()
