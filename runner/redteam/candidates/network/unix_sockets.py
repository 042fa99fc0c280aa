"""Talks to local services: container engines, the system bus, the display, key agents.

Idea: whoever reaches docker.sock is root.
"""

import socket

import kit


def call(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(1)
        made.connect(path)
        made.send(b"hello from the sandbox")
    return "connected"


for path in (kit.known["unix_socket"], "/var/run/docker.sock", "/run/docker.sock",
             "/run/containerd/containerd.sock", "/run/podman/podman.sock",
             "/run/dbus/system_bus_socket", "/run/systemd/private", "/tmp/.X11-unix/X0",
             "/run/user/0/bus", "\0/tmp/.X11-unix/X0", "\0/tmp/dbus-session"):  # fmt: skip
    kit.attempt(f"connect {path!r}", lambda: call(path))
kit.honest()
