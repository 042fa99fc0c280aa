"""What of the host a job may read: the interpreter, its packages, and a bare system.

Everything is an allow list. Neither the repository nor a home folder is ever shown, even
when the interpreter lies inside: only its own `bin`, `lib` and the like appear at their
paths. Packages that the interpreter does not import from (those of the Python that a
virtual environment was made with, of the system) are hidden, because the art that the
task's data was made from may lie there.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runner.errors import SandboxUnavailable
from runner.sandbox.base import Mount

_PREFIX_PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "nvvm", "targets")
_SYSTEM_PARTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "include")
_SYSTEM_EXTRAS = ("/usr/share/zoneinfo", "/etc/alternatives", "/etc/ld.so.cache")
_SYSTEM_HIDDEN = ("/usr/lib/node_modules",)

# Written into the sandbox's /etc instead of the host's files.
ETC_FILES = {
    "/etc/passwd": "root:x:0:0::/:/bin/false\njob:x:1000:1000::/tmp:/bin/sh\n",
    "/etc/group": "root:x:0:\njob:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}

# Where distributions keep the certificates of authorities, all in one file.
_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)

_QUESTION = """
import json, sys
print(json.dumps({
    "prefixes": [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix],
    "path": [p for p in sys.path if p],
}))
"""
_ANSWER_PATIENCE_S = 60


@dataclass(frozen=True)
class Link:
    """A symbolic link of the system that is made again inside (`/lib` on a merged /usr)."""

    target: str
    path: str


@dataclass(frozen=True)
class System:
    """The bare system that every job sees."""

    mounts: tuple[Mount, ...]
    links: tuple[Link, ...]


def etc_files(network: bool = False) -> dict[str, str]:
    """What stands in the sandbox's /etc. With the network: name servers and authorities, too."""
    if not network:
        return dict(ETC_FILES)
    files = {**ETC_FILES, "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n"}
    found = next((Path(path) for path in _AUTHORITIES if Path(path).is_file()), None)
    for target, source in (
        ("/etc/resolv.conf", Path("/etc/resolv.conf")),
        (_AUTHORITIES[0], found),
    ):
        if source is not None and source.is_file():
            files[target] = source.read_text(errors="replace")
    return files


@functools.cache
def system() -> System:
    """Programs and libraries of the system: no /usr/local, /usr/share, packages or settings."""
    mounts: list[Mount] = []
    links: list[Link] = []
    for name in _SYSTEM_PARTS:
        inner, outer = Path("/usr", name), Path("/", name)
        if inner.is_dir() and any(inner.iterdir()):
            mounts.append(Mount(inner, str(inner)))
        if outer.is_symlink():
            links.append(Link(str(outer.readlink()), str(outer)))
        elif outer.is_dir() and any(outer.iterdir()) and name != "include":
            mounts.append(Mount(outer, str(outer)))
    mounts += [Mount(Path(extra), extra) for extra in _SYSTEM_EXTRAS if Path(extra).exists()]
    hidden = [Path(path) for path in _SYSTEM_HIDDEN if Path(path).is_dir()]
    hidden += _package_folders(Path("/usr"))
    mounts += [Mount(None, str(path)) for path in hidden]
    return System(tuple(mounts), tuple(links))


@functools.cache
def runtime_mounts(python: Path) -> tuple[Mount, ...]:
    """What the interpreter at `python` needs, to be put into a job's `mounts`.

    The interpreter is run once to find out (the answer is kept for this process). It and its
    environment are trusted: they are the user's, not the candidate's.

    Raises:
        SandboxUnavailable: there is no such interpreter, or it does not start.
    """
    python = Path(os.path.abspath(python))  # noqa: PTH100 - resolving would leave the venv
    answer = _ask(python)
    real = Path(os.path.realpath(python))
    prefixes = dict.fromkeys(
        path
        for prefix in [*map(Path, answer["prefixes"]), real.parent.parent]
        for path in (prefix, Path(os.path.realpath(prefix)))
    )
    search_path = {os.path.realpath(entry) for entry in answer["path"]}
    mounts: list[Mount] = []
    for prefix in prefixes:
        mounts += _prefix_mounts(prefix, search_path)
    mounts += _links_on_the_way(python, mounts)
    return tuple(replace(mount, runtime=True) for mount in mounts)


def covers(mounts: tuple[Mount, ...] | list[Mount], path: str | Path) -> bool:
    """Whether one of `mounts` shows something at `path`."""
    return any(Path(path).is_relative_to(mount.target) for mount in mounts)


def _ask(python: Path) -> dict[str, list[str]]:
    advice = "Create it (make install) or set candidate.python in bot.toml."
    try:
        done = subprocess.run(
            [python, "-I", "-c", _QUESTION],
            env={}, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_ANSWER_PATIENCE_S, check=True,
        )  # fmt: skip
        answer: dict[str, list[str]] = json.loads(done.stdout)
    except FileNotFoundError:
        raise SandboxUnavailable(f"There is no Python interpreter at {python}. {advice}") from None
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxUnavailable(
            f"The Python interpreter {python} does not start: {error}. {advice}"
        ) from error
    return answer


def _prefix_mounts(prefix: Path, search_path: set[str]) -> Iterator[Mount]:
    """The parts of one installation prefix, then a mask over packages that are not imported."""
    if prefix != Path("/usr"):  # that one is part of the system already
        for name in (*_PREFIX_PARTS, "pyvenv.cfg"):
            if (prefix / name).exists():
                yield Mount(prefix / name, str(prefix / name))
    for folder in _package_folders(prefix):
        if os.path.realpath(folder) in search_path:
            if prefix == Path("/usr"):
                yield Mount(folder, str(folder))
        else:
            yield Mount(None, str(folder))


def _package_folders(prefix: Path) -> list[Path]:
    """Where distributions put third-party packages below a prefix."""
    patterns = ("lib*/python3*/site-packages", "lib*/python3*/dist-packages")
    # lib64 is often a link to lib. Both are shown, each as a mount of its own, so that both
    # need their masks.
    found = [path for pattern in patterns for path in sorted(prefix.glob(pattern))]
    return [path for path in found if path.is_dir()]


def _links_on_the_way(python: Path, mounts: list[Mount]) -> Iterator[Mount]:
    """Files for links between `python` and the real interpreter that no mount covers."""
    path, seen = python, 0
    while True:
        if not covers(mounts, path) and not covers(system().mounts, path):
            yield Mount(Path(os.path.realpath(path)), str(path))
        if not path.is_symlink() or seen > 40:
            return
        path, seen = Path(os.path.normpath(path.parent / path.readlink())), seen + 1
