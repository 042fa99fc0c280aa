"""The bare repository behind the model of GitHub, over a store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.simulation.quick.git import QuickGit
from tests.github.repository import BareRepository, GitRefused


class QuickBare(BareRepository):
    """What GitHub's own git does, in memory."""

    def __init__(self, path: Path, git: QuickGit) -> None:
        super().__init__(path)
        self._git = git
        self._store = git.store

    def run(
        self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None
    ) -> bytes:
        """Anything else than the following: by the real git, on what is written for it."""
        self._store.flush()
        return super().run(*arguments, stdin=stdin, extra=extra)

    def text(
        self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None
    ) -> str:
        """Files of a commit, from memory."""
        if arguments[:2] == ("cat-file", "blob"):
            revision, _colon, path = arguments[2].partition(":")
            found = self._store.file(revision, path)
            if found is None:
                raise GitRefused(f"there is no {arguments[2]}")
            return found.decode("utf-8", "replace").strip()
        if arguments[:2] == ("ls-tree", "--name-only"):
            revision, folder = arguments[2], arguments[3].rstrip("/")
            names = self._store.names(revision, folder)
            return "\n".join(f"{folder}/{name}" for name in names)
        return super().text(*arguments, stdin=stdin, extra=extra)

    def refs(self) -> dict[str, str]:
        """Every ref with its object."""
        return dict(self._store.refs)

    def commit(self, revision: str) -> str | None:
        """The commit that a revision means, or None."""
        return self._store.resolve(f"{revision}^{{commit}}")

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Whether `descendant` contains `ancestor`."""
        return self._store.contains(descendant, ancestor)

    def set_ref(self, name: str, new: str, old: str | None = None) -> None:
        """Move a ref, from `old` if that is given. Raises GitRefused."""
        if old is not None and self._store.refs.get(name) != old:
            raise GitRefused(f"{name} is not at {old}")
        self._store.set_ref(name, new)

    def delete_ref(self, name: str) -> None:
        """Delete a ref."""
        if name in self._store.refs:
            self._store.set_ref(name, None)
