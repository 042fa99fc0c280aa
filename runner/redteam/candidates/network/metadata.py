"""Asks the cloud's metadata service for the machine's credentials.

Idea: the Capital One breach of 2019; 169.254.169.254 on every cloud.
"""

import socket

import kit


def ask(family, address):
    with socket.socket(family) as made:
        made.settimeout(1)
        made.connect((address, 80))
        made.send(b"GET /latest/meta-data/iam/ HTTP/1.0\r\n\r\n")
        return made.recv(1000) or "connected"


kit.attempt("metadata", lambda: ask(socket.AF_INET, "169.254.169.254"))
kit.attempt("metadata of ECS", lambda: ask(socket.AF_INET, "169.254.170.2"))
kit.attempt("metadata over IPv6", lambda: ask(socket.AF_INET6, "fd00:ec2::254"))
kit.honest()
