"""The bare repository behind the model: what GitHub's own git does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "GitHub",
    "GIT_AUTHOR_EMAIL": "noreply@github.example",
    "GIT_COMMITTER_NAME": "GitHub",
    "GIT_COMMITTER_EMAIL": "noreply@github.example",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class GitRefused(Exception):
    """A git command failed."""


class BareRepository:
    """Plain git on one bare repository."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(
        self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None
    ) -> bytes:
        """The output of a git command, with `extra` in its environment. Raises GitRefused."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            env={**os.environ, **_ENVIRONMENT, **(extra or {})},
        )
        if done.returncode:
            raise GitRefused(done.stderr.decode("utf-8", "replace").strip())
        return done.stdout

    def text(
        self, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None
    ) -> str:
        """The same as text."""
        return self.run(*arguments, stdin=stdin, extra=extra).decode("utf-8", "replace").strip()

    def refs(self) -> dict[str, str]:
        """Every ref with its object."""
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)").split("\n")
        pairs = (line.rsplit(" ", 1) for line in lines if line)
        return dict(pairs)

    def commit(self, revision: str) -> str | None:
        """The commit that a revision means, or None."""
        try:
            return self.text("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except GitRefused:
            return None

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Whether `descendant` contains `ancestor`."""
        try:
            self.run("merge-base", "--is-ancestor", ancestor, descendant)
        except GitRefused:
            return False
        return True

    def set_ref(self, name: str, new: str, old: str | None = None) -> None:
        """Move a ref, from `old` if that is given. Raises GitRefused."""
        self.run("update-ref", name, new, *([old] if old is not None else []))

    def delete_ref(self, name: str) -> None:
        """Delete a ref."""
        self.run("update-ref", "-d", name)
