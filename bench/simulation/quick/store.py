"""Objects and refs of one repository, in memory; written into its folder when git has to see it."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

ID = re.compile(r"[0-9a-f]{40}")
Entry: TypeAlias = tuple[str, str]
"""Of a tree: mode and id."""


class Store:
    """Objects and refs of a repository that nobody else writes to. `folder` is its `.git`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[str, tuple[str, bytes]] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self._entries: dict[str, dict[bytes, Entry]] = {}
        self._unwritten: list[str] = []
        self.refs = {
            str(path.relative_to(folder)): path.read_text().strip()
            for path in (folder / "refs").rglob("*")
            if path.is_file()
        }
        self._written = dict(self.refs)
        self.head = (folder / "HEAD").read_text().strip()
        for path in (folder / "objects").glob("??/*"):
            self.objects[path.parent.name + path.name] = _read(path)

    def flush(self) -> None:
        """Write everything into the folder that is not there yet."""
        for name in self._unwritten:
            kind, data = self.objects[name]
            path = self.folder / "objects" / name[:2] / name[2:]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(b"%s %d\0%s" % (kind.encode(), len(data), data), 0))
        self._unwritten.clear()
        for name in self._written.keys() - self.refs.keys():
            (self.folder / name).unlink()
        for name, value in self.refs.items():
            if self._written.get(name) != value:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(value + "\n")
        self._written = dict(self.refs)

    def write(self, kind: str, data: bytes) -> str:
        """Store an object; its id."""
        whole = b"%s %d\0%s" % (kind.encode(), len(data), data)
        name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        self._keep(name, (kind, data))
        return name

    def adopt(self, name: str) -> None:
        """Take in an object that the real git has written, and all below it."""
        self.objects[name] = _read(self.folder / "objects" / name[:2] / name[2:])
        if self.objects[name][0] == "tree":
            for _, below in self.entries(name).values():
                if below not in self.objects:
                    self.adopt(below)

    def copy_from(self, other: Store, names: Iterable[str]) -> None:
        """Take over objects of another repository, with everything that they need."""
        waiting = [name for name in names if name not in self.objects]
        while waiting:
            name = waiting.pop()
            if name in self.objects:
                continue
            kind, data = other.objects[name]
            self._keep(name, (kind, data))
            if kind == "commit":
                waiting += [other.tree(name), *other.parents(name)]
            elif kind == "tree":
                waiting += [below for _, below in other.entries(name).values()]

    def _keep(self, name: str, known: tuple[str, bytes]) -> None:
        if name not in self.objects:
            self.objects[name] = known
            self._unwritten.append(name)

    def set_ref(self, name: str, value: str | None) -> None:
        """Move, make or remove a ref."""
        if value is None:
            del self.refs[name]
        else:
            self.refs[name] = value

    def blocked(self, name: str) -> bool:
        """Whether a ref cannot be made, because it would be a folder of others, or below one."""
        above = name.split("/")
        parents = {"/".join(above[:end]) for end in range(1, len(above))}
        return any(other.startswith(f"{name}/") or other in parents for other in self.refs)

    def resolve(self, revision: str) -> str | None:
        """The object that a revision of the kinds that the bot uses means."""
        base, mark, step = revision.partition("^")
        if ID.fullmatch(base):
            found: str | None = base if base in self.objects else None
        elif base == "HEAD":
            found = self.refs.get(self.head.removeprefix("ref: "), self.head)
        else:
            found = self.refs.get(base) or self.refs.get(f"refs/heads/{base}")
        if not found or not mark:
            return found
        if step.startswith("1"):
            parents = self.parents(found)
            return self.resolve(parents[0] + step[1:]) if parents else None
        kind = self.objects[found][0]
        if step == "{tree}":
            return self.tree(found) if kind in {"commit", "tree"} else None
        return found if kind == "commit" else None

    def tree(self, name: str) -> str:
        """The tree of a commit, or the tree itself."""
        kind, data = self.objects[name]
        return data[5:45].decode() if kind == "commit" else name

    def parents(self, commit: str) -> tuple[str, ...]:
        """The parents of a commit."""
        if commit not in self._parents:
            head = self.objects[commit][1].partition(b"\n\n")[0].decode("utf-8", "replace")
            lines = head.split("\n")
            self._parents[commit] = tuple(x[7:] for x in lines if x.startswith("parent "))
        return self._parents[commit]

    def ancestors(self, commit: str) -> dict[str, None]:
        """Itself and all before it, nearest first."""
        found: dict[str, None] = {}
        waiting = deque([commit])
        while waiting:
            now = waiting.popleft()
            if now not in found:
                found[now] = None
                waiting += self.parents(now)
        return found

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Whether a commit is among the ancestors of another, or is it."""
        seen: set[str] = set()
        waiting = deque([descendant])
        while waiting:
            now = waiting.popleft()
            if now == ancestor:
                return True
            if now not in seen:
                seen.add(now)
                waiting += self.parents(now)
        return False

    def first_parents(self, tip: str, old: str = "") -> Iterator[str]:
        """The first-parent line from `tip` back to what `old` contains."""
        gone = self.ancestors(old) if old else {}
        commit: str | None = tip
        while commit and commit not in gone:
            yield commit
            commit = next(iter(self.parents(commit)), None)

    def entries(self, name: str) -> dict[bytes, Entry]:
        """One level of a tree: name to (mode, id). Not to be changed."""
        tree = self.tree(name)
        if tree not in self._entries:
            data = self.objects[tree][1]
            found, at = {}, 0
            while at < len(data):
                space, end = data.index(b" ", at), data.index(b"\0", at)
                mode = data[at:space].decode().rjust(6, "0")
                found[data[space + 1 : end]] = (mode, data[end + 1 : end + 21].hex())
                at = end + 21
            self._entries[tree] = found
        return self._entries[tree]

    def file(self, revision: str, path: str) -> bytes | None:
        """The bytes of a file in a commit."""
        found = self.resolve(revision)
        for part in path.split("/") if found else ():
            _mode, found = self.entries(str(found)).get(part.encode(), ("", None))
            if found is None:
                return None
        return self.objects[found][1] if found else None

    def names(self, revision: str, folder: str) -> list[str]:
        """The names in a folder of a commit; none when there is no such folder."""
        found = self.resolve(revision)
        for part in folder.split("/") if found else ():
            _mode, found = self.entries(str(found)).get(part.encode(), ("", None))
            if found is None:
                return []
        return [name.decode() for name in self.entries(found)] if found else []

    def write_tree(self, entries: Mapping[bytes, tuple[str, str]]) -> str:
        """Store one level of a tree."""

        def order(item: tuple[bytes, tuple[str, str]]) -> bytes:
            return item[0] + (b"/" if item[1][0] == "040000" else b"")

        data = b"".join(
            b"%s %s\0%s" % (mode.lstrip("0").encode(), name, bytes.fromhex(entry))
            for name, (mode, entry) in sorted(entries.items(), key=order)
        )
        return self.write("tree", data)

    def changed(self, old: str, new: str) -> dict[bytes, tuple[Entry | None, Entry | None]] | None:
        """What differs in the top level of two trees; None when a folder does."""
        before, after = self.entries(old), self.entries(new)
        found = {
            name: (before.get(name), after.get(name))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        }
        folders = any(side and side[0] == "040000" for pair in found.values() for side in pair)
        return None if folders else found


def _read(path: Path) -> tuple[str, bytes]:
    header, _, data = zlib.decompress(path.read_bytes()).partition(b"\0")
    return header.split()[0].decode(), data
