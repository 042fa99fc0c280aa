"""Trees: made from entries, or from another tree with some files changed.

Level by level and without an index, so that there is no temporary file: nothing stays behind
when the process is killed, and a full folder for temporary files is no obstacle.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeAlias

from bot.git.process import Git, GitError

REGULAR, EXECUTABLE, FOLDER = "100644", "100755", "040000"
_KINDS = {FOLDER: "tree", "160000": "commit"}

Entries: TypeAlias = dict[str, tuple[str, str]]  # name: mode, object id
_Changes: TypeAlias = dict[str, "bytes | _Changes | None"]  # by name; a dict is a folder's


def clean_path(path: str) -> bytes:
    """A path inside a tree as git stores it. Raises GitError for one that cannot be in a tree."""
    parts = path.split("/")
    if "\0" in path or any(part in {"", ".", "..", ".git"} for part in parts):
        raise GitError(f"{path!r} is not a path inside a repository.")
    return os.fsencode(path)


def write_blob(git: Git, data: bytes) -> str:
    """Store bytes exactly as they are."""
    done = git.run("hash-object", "-w", "--no-filters", "--stdin", stdin=data)
    return done.stdout.decode().strip()


def write_tree(git: Git, entries: Mapping[str, tuple[str, str]]) -> str:
    """Store one level of a tree. The objects must exist."""
    lines = [
        f"{mode} {_KINDS.get(mode, 'blob')} {entry}\t".encode() + clean_path(name) + b"\0"
        for name, (mode, entry) in entries.items()
    ]
    return git.run("mktree", "-z", stdin=b"".join(lines)).stdout.decode().strip()


def edited(git: Git, base: str, files: Mapping[str, bytes | None]) -> str:
    """The tree of `base` (commit or tree) with other bytes in some files; None removes one.

    A file keeps its executable bit; a link becomes a regular file; a folder without files goes.
    Raises GitError when a folder is where a file must come, or the other way round.
    """
    changes: _Changes = {}
    for path, data in files.items():
        *folders, name = os.fsdecode(clean_path(path)).split("/")
        level = changes
        for folder in folders:
            below = level.setdefault(folder, {})
            if not isinstance(below, dict):
                raise _in_the_way(folder)
            level = below
        if isinstance(level.get(name), dict):
            raise _in_the_way(name)
        level[name] = data
    return write_tree(git, _edited(git, _entries(git, base), changes))


def _edited(git: Git, entries: Entries, changes: _Changes) -> Entries:
    """One level with its changes, the levels below it stored."""
    entries = dict(entries)
    for name, change in changes.items():
        mode, old = entries.get(name, ("", ""))
        if isinstance(change, dict):
            below = _edited(git, _entries(git, old) if mode == FOLDER else {}, change)
            if below and mode not in {FOLDER, ""}:
                raise _in_the_way(name)
            if below:
                entries[name] = (FOLDER, write_tree(git, below))
            elif mode == FOLDER:
                del entries[name]
        elif change is None:
            if mode != FOLDER:
                entries.pop(name, None)
        elif mode == FOLDER:
            raise _in_the_way(name)
        else:
            kept = EXECUTABLE if mode == EXECUTABLE else REGULAR
            entries[name] = (kept, write_blob(git, change))
    return entries


def _entries(git: Git, tree: str) -> Entries:
    listing = git.run("ls-tree", "-z", "--full-tree", tree).stdout
    entries = {}
    for line in filter(None, listing.split(b"\0")):
        facts, _, name = line.partition(b"\t")
        mode, _, entry = facts.decode().split(" ")
        entries[os.fsdecode(name)] = (mode, entry)
    return entries


def _in_the_way(name: str) -> GitError:
    return GitError(f"{name!r} is a folder where a file must come, or a file for a folder.")
