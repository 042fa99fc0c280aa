"""Connects to the internet, by TCP and UDP, over both versions of IP.

Idea: send the inputs out, or fetch the answers.
"""

import socket

import kit


def connect(family, kind, address):
    with socket.socket(family, kind) as made:
        made.settimeout(1)
        made.connect(address)
        made.send(b"x")
    return "sent"


for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for address in (("1.1.1.1", 53), ("8.8.8.8", 443), ("10.0.0.1", 80), ("192.168.0.1", 80)):
        kit.attempt(f"connect {address}", lambda: connect(socket.AF_INET, kind, address))
    for address in (("2606:4700:4700::1111", 53), ("fe80::1", 80, 0, 1), ("ff02::1", 80, 0, 1)):
        kit.attempt(f"connect {address}", lambda: connect(socket.AF_INET6, kind, address))
kit.honest()
