"""Makes raw packets, listens to others', and talks to the kernel's network subsystems.

Idea: AF_PACKET and netlink have had exploits in most years (CVE-2017-7308, CVE-2022-34918).
"""

import socket

import kit

RDS, VSOCK, ALG, CAN = 21, 40, 38, 29
for name, arguments in (
    ("socket raw", (socket.AF_INET, socket.SOCK_RAW, 1)),
    ("socket packet", (socket.AF_PACKET, socket.SOCK_RAW, 768)),
    ("socket netfilter", (socket.AF_NETLINK, socket.SOCK_RAW, 12)),
    ("socket vsock", (VSOCK, socket.SOCK_STREAM, 0)),
    ("socket alg", (ALG, socket.SOCK_SEQPACKET, 0)),
    ("socket rds", (RDS, socket.SOCK_SEQPACKET, 0)),
    ("socket can", (CAN, socket.SOCK_RAW, 1)),
):
    kit.attempt(name, lambda: socket.socket(*arguments))
kit.honest()
