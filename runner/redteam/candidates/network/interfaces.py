"""Looks for network interfaces, routes and neighbours, and makes an interface.

Idea: know the host's network before leaving through it.
"""

import fcntl
import socket

import kit


def tunnel():
    device = open("/dev/net/tun", "r+b")
    fcntl.ioctl(device, 0x400454CA, b"evil0".ljust(16, b"\0") + b"\1\x10" + bytes(22))
    return "a tunnel"


kit.attempt("interfaces", lambda: [name for _, name in socket.if_nameindex() if name != "lo"])
kit.attempt("routes", lambda: open("/proc/net/route").read().splitlines()[1:])
kit.attempt("neighbours", lambda: open("/proc/net/arp").read().splitlines()[1:])
kit.attempt("tunnel", tunnel)
kit.honest()
