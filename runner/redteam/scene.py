"""What stands around the sandbox during the suite: secrets, services and bystanders.

All of it is on the host, reachable for any ordinary process, and watched from outside: whoever
reads a secret carries it in its output, whoever calls a service is heard, whoever writes where
it must not leaves a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner import interrupts
from runner.sandbox import seccomp
from runner.task.prepare import TaskData

ENVIRONMENT_MARK = "MERGELAB_REDTEAM_SECRET"
_FAMILIES = {"AF_INET": "127.0.0.1", "AF_INET6": "::1"}


@dataclass(frozen=True)
class Scene:
    """The decoys of one suite. `damage` tells what happened to them since it was last asked."""

    token: str
    secrets: tuple[bytes, ...]  # must never come out of a sandbox
    captions: tuple[str, ...]  # may come out, but not to where a proposer reads
    known: bytes  # JSON: what the attackers are told
    drop: Path
    canary: Path
    canary_text: str
    victim: subprocess.Popen[bytes]
    listeners: tuple[socket.socket, ...]
    pipe: int  # reading end of a pipe that is open in the runner, and inheritable

    def damage(self) -> list[str]:
        """What was done to the host, in words; empty when nothing was."""
        found = []
        for listener in self.listeners:
            if _heard(listener):
                found.append(f"a service of the host was reached ({listener.family.name})")
        if _ready(self.pipe):
            os.read(self.pipe, 65_536)
            found.append("an inherited pipe of the runner was written to")
        if self.victim.poll() is not None:
            found.append("a process of the host was killed")
        elif _state(self.victim.pid) in "Tt":
            found.append("a process of the host was stopped")
        for path in sorted(self.drop.iterdir()):
            found.append(f"code of the candidate ran outside: it made {path.name}")
            path.unlink()
        if self.canary.read_text() != self.canary_text:
            found.append("a file of the host was changed")
        return found


@contextlib.contextmanager
def scene(folder: Path, data: TaskData, processes: int) -> Iterator[Scene]:
    """Set everything up below `folder`; `data` is what the sandboxes are given a part of."""
    token = secrets.token_hex(8)
    hidden, drop = folder / "host", folder / "drop"
    hidden.mkdir(mode=0o755)
    drop.mkdir()
    drop.chmod(0o777)
    canary = hidden / "canary.txt"
    canary_text = secrets.token_hex(16)
    canary.write_text(canary_text)
    in_environment = secrets.token_hex(16)
    targets = data.private / "validation" / "targets.json"
    salt = data.private / "salt.hex"
    with contextlib.ExitStack() as stack:
        listeners, ports = _listen(stack, hidden / "engine.sock", token)
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        stack.callback(os.close, writing)
        os.set_inheritable(writing, True)
        os.environ[ENVIRONMENT_MARK] = in_environment
        stack.callback(os.environ.pop, ENVIRONMENT_MARK, None)
        with interrupts.held():
            # Reads for as long as we live.
            victim = subprocess.Popen(
                ["/bin/cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.enter_context(victim)
            stack.callback(victim.kill)
        known = {
            "token": token,
            "secret_paths": [str(targets), str(salt), str(canary)],
            "drop": str(drop),
            "victim": victim.pid,
            "runner": os.getpid(),
            "processes": processes,
            "ports": ports,
            "unix_socket": str(hidden / "engine.sock"),
            "abstract_socket": f"redteam-host-{token}",
            "calls": seccomp.denied_calls(),
        }
        yield Scene(
            token=token,
            secrets=tuple(
                text.encode()
                for text in (
                    canary_text,
                    in_environment,
                    salt.read_text().strip(),
                    _beginning(targets.read_text()),
                )
            ),
            captions=tuple(_captions(data)),
            known=json.dumps(known).encode(),
            drop=drop,
            canary=canary,
            canary_text=canary_text,
            victim=victim,
            listeners=listeners,
            pipe=reading,
        )


def _beginning(targets: str) -> str:
    """The first twelve targets as they stand in the file: nobody prints these by chance."""
    return ",".join(targets.strip().strip("[]").split(",")[:12]).strip()


def _captions(data: TaskData) -> Iterator[str]:
    texts = json.loads((data.private / "validation/captions/captions.json").read_text())
    for text in texts:
        yield text
        yield text.title().replace(" ", "")


def _listen(
    stack: contextlib.ExitStack, path: Path, token: str
) -> tuple[tuple[socket.socket, ...], dict[str, int]]:
    """Services on every kind of socket that a process of this machine can reach."""
    listeners, ports = [], {}
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for name, address in _FAMILIES.items():
            made = stack.enter_context(socket.socket(socket.AddressFamily[name], kind))
            try:
                made.bind((address, 0))
            except OSError:  # a machine without version 6 of IP
                ports[f"{kind.name}-{name}"] = 9
                continue
            ports[f"{kind.name}-{name}"] = made.getsockname()[1]
            listeners.append(made)
    for local in (str(path), f"\0redteam-host-{token}"):
        made = stack.enter_context(socket.socket(socket.AF_UNIX))
        made.bind(local)
        listeners.append(made)
    path.chmod(0o777)
    for made in listeners:
        made.setblocking(False)
        if made.type == socket.SOCK_STREAM:
            made.listen(64)
    return tuple(listeners), ports


def _heard(listener: socket.socket) -> bool:
    """Whether anybody called since the last time."""
    heard = False
    while _ready(listener.fileno()):
        heard = True
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(65_536)
        else:
            listener.accept()[0].close()
    return heard


def _ready(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _state(pid: int) -> str:
    """The letter by which the kernel tells what a process does (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
