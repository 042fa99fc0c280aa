"""Where a Docker engine might listen, found without importing the SDK."""

from __future__ import annotations

import os
from pathlib import Path

_SYSTEM_SOCKET = Path("/var/run/docker.sock")


def address() -> str | None:
    """DOCKER_HOST if it is set, else the socket of the system's or of a rootless engine."""
    named = os.environ.get("DOCKER_HOST")
    if named:
        return named
    rootless = Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"), "docker.sock")
    for socket in (_SYSTEM_SOCKET, rootless):
        if socket.is_socket() and os.access(socket, os.R_OK | os.W_OK):
            return f"unix://{socket}"
    return None
