"""What a job can see and do, told from inside: run by `runner.selfcheck` in each kind of sandbox.

Stands alone: it is laid out as a candidate and run by the candidate's interpreter. It reads
`question.json` beside it and writes `report.json` to its output folder. It judges nothing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

_SOCKETS = (
    "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
    "/run/podman/podman.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0",  # noqa: S108
)  # fmt: skip
_PATIENCE_S = 1.0
_LOOKED_AT_S = 1.5  # a busy machine hears late of `ready`


def report(question: dict[str, Any]) -> dict[str, Any]:
    """Everything that the doctor wants to know."""
    return {
        "status": _status(),
        "user": os.getuid(),
        "process_space": Path("/proc/self/ns/pid").stat().st_ino,
        "processes": len([name for name in os.listdir("/proc") if name.isdecimal()]),  # noqa: PTH208
        "interfaces": [name for _, name in socket.if_nameindex()] if _lists() else ["lo"],
        "routes": _lines("/proc/net/route")[1:],
        "names_resolve": _tried(lambda: socket.getaddrinfo("example.com", 80)),
        "reached": [
            f"{address}:{port}" for address, port in question["addresses"] if _call(address, port)
        ],
        "sockets": [path for path in _SOCKETS if Path(path).exists()],
        "writable": _writable(),
        "environment": sorted(os.environ),
        "devices": sorted(path.name for path in Path("/dev").iterdir()),
        "seen": {path: _identity(path) for path in question["paths"]},
        "packages": [name for name in question["packages"] if _can_import(name)],
        "terminal": any(os.isatty(number) for number in range(3)) or _opens("/dev/tty"),
        "descriptors": _descriptors(),
    }


def _can_import(name: str) -> bool:
    """Whether there is code of this package; over a hidden one lies an empty folder."""
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None


def _status() -> dict[str, str]:
    lines = (line.partition(":") for line in _lines("/proc/self/status"))
    return {name: value.strip() for name, _, value in lines}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _lists() -> bool:
    """Whether interfaces can be listed at all: it takes a socket that a filter may refuse."""
    return _tried(socket.if_nameindex)


def _tried(action: Any) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _call(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as made:
            made.settimeout(_PATIENCE_S)
            made.connect((address, port))
    except OSError:
        return False
    return True


def _writable() -> list[str]:
    """Folders in which a file can be made, of all mounts and of all folders of the root."""
    places = {line.split()[4] for line in _lines("/proc/self/mountinfo")}
    places |= {str(path) for path in Path("/").iterdir()}
    places |= {"/", "/var/tmp", "/usr/local", sys.prefix}  # noqa: S108
    found = []
    for place in sorted(places):
        name = Path(place, f"probe-{os.getpid()}")
        with contextlib.suppress(OSError):
            name.touch()
            name.unlink()
            found.append(place)
    return found


def _identity(path: str) -> list[int] | None:
    try:
        state = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return [state.st_dev, state.st_ino]


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _descriptors() -> list[int]:
    found = []
    for number in range(3, 256):
        with contextlib.suppress(OSError):
            os.fstat(number)
            found.append(number)
    return found


def main() -> None:
    """Tell that we run, stay long enough to be looked at from outside, and report."""
    print("ready", flush=True)
    time.sleep(_LOOKED_AT_S)
    question = json.loads(Path(__file__).with_name("question.json").read_text())
    Path(os.environ["OUT_DIR"], "report.json").write_text(json.dumps(report(question)))


if __name__ == "__main__":
    main()
