"""A root file system made from this machine's own files: an interpreter and what it links to.

It holds the candidate's environment at the same paths as on the machine, the shared libraries
that its programs and modules are linked against (as `ldd` finds them), and a shell and a few
tools; no compiler, no package manager, no setuid program, nothing of any home folder.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from runner.errors import SandboxUnavailable
from runner.sandbox.base import Mount
from runner.sandbox.docker.specification import USER
from runner.sandbox.runtime import ETC_FILES, covers, system

# The second line is what a project's own script is laid out with (runner/kinds/project.py).
_TOOLS = (
    "sh", "sleep", "true", "env", "cat", "ls", "id", "uname",
    "cp", "dirname", "ln", "mkdir",
)  # fmt: skip
_OPENED_BY_NAME = (
    "libgcc_s.so.1", "libstdc++.so.6", "libgomp.so.1", "libnss_files.so.2", "libpthread.so.0",
    "libdl.so.2", "librt.so.1", "libutil.so.1", "libm.so.6",
)  # fmt: skip
_DATA = ("/usr/share/zoneinfo", "/usr/lib/locale/C.utf8", "/etc/ld.so.cache")
_FOLDERS = ("proc", "dev", "sys", "etc", "usr/bin", "out", "data", "model", "candidate")
_LEFT_OUT = re.compile(
    r"/lib/python3\.\d+/(test|idlelib|turtledemo|ensurepip)(/|$)|/__pycache__/.*\.tmp$"
)
_LINKED = re.compile(rb"^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.M)
_AT_ONCE = 50
_LDD_PATIENCE_S = 120


def write(target: IO[bytes], runtime: tuple[Mount, ...]) -> None:
    """Write the root file system for an interpreter with these mounts as a tar stream.

    Raises:
        SandboxUnavailable: the machine lacks `ldd` or a basic tool.
    """
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        root = _Root(archive)
        for name in _FOLDERS:
            root.folder(f"/{name}")
        root.folder("/tmp", mode=0o1777)  # noqa: S108
        # Before all else: these decide where libraries below /lib end up.
        for link in system().links:
            root.link(link.path, link.target)
        hidden = tuple(mount for mount in runtime if mount.source is None)
        programs: list[Path] = []
        for mount in runtime:
            if mount.source is None:
                root.folder(mount.target)
            else:
                programs += root.tree(mount.source, mount.target, hidden)
        tools = [_tool(name) for name in _TOOLS]
        for tool in tools:
            root.file(Path(os.path.realpath(tool)), f"/usr/bin/{tool.name}")
        for library in sorted(_libraries([*programs, *tools])):
            if not covers(runtime, library):
                root.file(Path(os.path.realpath(library)), _real_place(library))
        for name in _DATA:
            if Path(name).exists():
                root.tree(Path(name), name, ())
        for name, text in ETC_FILES.items():
            root.text(name, text.replace(":1000:", f":{USER}:"))


@dataclass
class _Root:
    """A tar file that is being written; every path once, parents first."""

    archive: tarfile.TarFile
    seen: set[str] = field(default_factory=set)

    def folder(self, path: str, mode: int = 0o755) -> None:
        if path == "/" or not self._is_new(path):
            return
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self.archive.addfile(entry)

    def link(self, path: str, target: str) -> None:
        if self._is_new(path):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            self.archive.addfile(entry)

    def text(self, path: str, text: str) -> None:
        data = text.encode()
        if self._is_new(path):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(data), 0o444
            self.archive.addfile(entry, io.BytesIO(data))

    def file(self, source: Path, path: str) -> None:
        if not self._is_new(path):
            return
        facts = source.stat()
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mtime = facts.st_size, int(facts.st_mtime)
        # Readable for the job, whoever may read it here; never setuid.
        entry.mode = 0o755 if facts.st_mode & 0o111 else 0o644
        with source.open("rb") as content:
            self.archive.addfile(entry, content)

    def tree(self, source: Path, path: str, hidden: tuple[Mount, ...]) -> list[Path]:
        """Copy a file or folder; the programs and libraries in it."""
        found: list[Path] = []
        if not source.is_dir():
            self.file(source, path)
            return [source] if _is_program(source) else []
        for place, folders, files in os.walk(source):
            inside = path + place.removeprefix(str(source))
            folders.sort()
            if covers(hidden, inside) or _LEFT_OUT.search(inside):
                folders.clear()
                continue
            self.folder(inside)
            for name in [*folders, *sorted(files)]:
                one = Path(place, name)
                if one.is_symlink():
                    self.link(f"{inside}/{name}", os.readlink(one))  # noqa: PTH115 - as it is
                elif one.is_file():
                    self.file(one, f"{inside}/{name}")
                    if _is_program(one):
                        found.append(one)
        return found

    def _is_new(self, path: str) -> bool:
        if path in self.seen:
            return False
        self.seen.add(path)
        self.folder(os.path.dirname(path))  # noqa: PTH120
        return True


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _libraries(programs: Iterable[Path]) -> set[str]:
    """Paths of all shared libraries that these are linked against, directly or not."""
    ldd = shutil.which("ldd")
    if ldd is None:
        raise SandboxUnavailable("`ldd` is needed to make an image from this machine's files.")
    every = [str(program) for program in programs]
    found: set[str] = set()
    for start in range(0, len(every), _AT_ONCE):
        done = subprocess.run(
            [ldd, *every[start : start + _AT_ONCE]], env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            capture_output=True, check=False, timeout=_LDD_PATIENCE_S,
        )  # fmt: skip
        found.update(os.fsdecode(match) for match in _LINKED.findall(done.stdout))
    folders = {os.path.dirname(path) for path in found if "/libc.so" in path}  # noqa: PTH120
    return found | set(_opened_by_name(folders))


def _opened_by_name(folders: Iterable[str]) -> Iterator[str]:
    """Libraries that the C library and torch open at run time, without being linked to them."""
    for folder in folders:
        for name in _OPENED_BY_NAME:
            if Path(folder, name).exists():
                yield f"{folder}/{name}"


def _real_place(path: str) -> str:
    """The path with links of its folders resolved, so that nothing is written through one."""
    folder, _, name = path.rpartition("/")
    return f"{os.path.realpath(folder)}/{name}"


def _tool(name: str) -> Path:
    found = shutil.which(name, path="/usr/bin:/bin")
    if found is None:
        raise SandboxUnavailable(f"`{name}` is needed to make an image from this machine's files.")
    return Path(found)
