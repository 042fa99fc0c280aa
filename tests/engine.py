"""A Docker engine for tests: the machine's own, or one started for them alone.

Where MERGELAB_REQUIRE_DOCKER is 1, tests that need an engine fail without one. Elsewhere
they are left out, with a line that says so, unless an engine answers or can be started
(dockerd is installed and root runs the tests).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from runner.sandbox.docker.address import address

REQUIRED = os.environ.get("MERGELAB_REQUIRE_DOCKER") == "1"
_START_PATIENCE_S = 120


def engine_possible() -> bool:
    """Whether it is worth trying."""
    return address() is not None or (os.geteuid() == 0 and shutil.which("dockerd") is not None)


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """The address of an engine that answers."""
    found = address()
    if found is not None:
        yield found
        return
    with _private_engine() as started:
        yield started


@contextlib.contextmanager
def _private_engine() -> Iterator[str]:
    """An engine with folders of its own, that touches neither firewall nor bridges."""
    if shutil.which("dockerd") is None:
        raise RuntimeError("dockerd is not installed (Debian: apt-get install docker.io)")
    folder = Path(tempfile.mkdtemp(prefix="mergelab-engine-"))
    socket = folder / "docker.sock"
    command = [
        "dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none",
        "--data-root", str(folder / "data"), "--exec-root", str(folder / "run"),
        "--pidfile", str(folder / "pid"), "--host", f"unix://{socket}",
    ]  # fmt: skip
    try:
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _wait_until_it_answers(daemon, socket, folder / "log")
            yield f"unix://{socket}"
        finally:
            daemon.terminate()
            daemon.wait(60)
    finally:
        _remove(folder)


def _wait_until_it_answers(daemon: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    import docker

    end = time.monotonic() + _START_PATIENCE_S
    while time.monotonic() < end and daemon.poll() is None:
        with contextlib.suppress(docker.errors.DockerException):
            client = docker.APIClient(base_url=f"unix://{socket}", version="auto")
            client.ping()
            client.close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"dockerd does not come up:\n{log.read_text(errors='replace')[-2000:]}")


def _remove(folder: Path) -> None:
    """Remove the engine's folders, and mounts that it left in them."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((one for one in mounts if one.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)
    shutil.rmtree(folder, ignore_errors=True)
