"""What the objects of a repository say: files, trees, differences, messages. Reads only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from bot.git.batch import read_objects
from bot.git.diffs import DIFF_OPTIONS, RAW_OPTIONS
from bot.git.process import Git
from bot.git.refs import resolve_ref
from bot.git.trees import clean_path


class Objects:
    """The objects of one repository, by name or by revision."""

    def __init__(self, git: Git) -> None:
        self.git = git

    def resolve(self, revision: str) -> str | None:
        """The commit that a revision means (`HEAD`, `main`, a full ref, an id), or None."""
        done = self.git.run(
            *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"),
            accepted=(0, 1, 128),
        )
        return done.stdout.decode().strip() if done.code == 0 else None

    def has(self, name: str) -> bool:
        """Whether this clone has the object with this id."""
        return self.git.run("cat-file", "-e", name, accepted=(0, 1, 128)).code == 0

    def tree(self, commit: str) -> str:
        """The tree of a commit. Raises GitFailed when there is no such commit."""
        return self.git.text("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}")

    def ref(self, name: str) -> str | None:
        """The object that a full ref name points to, or None."""
        return resolve_ref(self.git, name)

    def read_file(self, tree: str, path: str) -> bytes | None:
        """The bytes of a file in a commit or tree; None when there is no file."""
        return self.read_files(tree, [path])[path]

    def read_files(
        self, tree: str, paths: Iterable[str], limit: int | None = None
    ) -> dict[str, bytes | None]:
        """The bytes of several files, read by one process.

        None stands for a file that does not exist, or is larger than `limit` bytes.
        """
        found = self.read_many([(tree, path) for path in paths], limit)
        return {path: data for (_, path), data in found.items()}

    def sizes(self, tree: str, paths: Sequence[str]) -> dict[str, int]:
        """The sizes in bytes of those of these files that a commit or tree has; none is read.

        One whose object this clone has lost counts as one that is not there.
        """
        if not paths:
            return {}
        names = [clean_path(path) for path in paths]
        done = self.git.run("ls-tree", "-z", "-l", "--full-tree", tree, "--", *names)
        entries = (entry.partition(b"\t") for entry in done.stdout.split(b"\0") if entry)
        facts = ((head.split(), path) for head, _, path in entries)
        return {
            os.fsdecode(path): int(size)
            for (_, kind, _, size), path in facts
            if kind == b"blob" and size.isdigit()  # BAD where the object is lost
        }

    def files_below(self, tree: str, paths: Sequence[str]) -> tuple[str, ...]:
        """The regular files of a commit or tree that are, or lie below, one of `paths`."""
        return self._files(tree, [clean_path(path) for path in paths]) if paths else ()

    def ids_below(self, tree: str, paths: Sequence[str]) -> dict[str, str]:
        """Mode and object id, as git writes them, of the same files."""
        if not paths:
            return {}
        entries = self._entries(tree, [clean_path(path) for path in paths])
        return {os.fsdecode(path): head.decode() for path, head in entries}

    def all_files(self, tree: str) -> tuple[str, ...]:
        """The regular files of a commit or tree."""
        return self._files(tree, [])

    def _files(self, tree: str, names: Sequence[bytes]) -> tuple[str, ...]:
        return tuple(os.fsdecode(path) for path, _ in self._entries(tree, names))

    def _entries(self, tree: str, names: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Path of each regular file, with its mode and object id."""
        done = self.git.run("ls-tree", "-r", "-z", "--full-tree", tree, "--", *names)
        entries = (entry.partition(b"\t") for entry in done.stdout.split(b"\0") if entry)
        return [(path, head) for head, _, path in entries if head.startswith(b"100")]

    def is_shallow(self) -> bool:
        """Whether the history ends early because the clone was made so."""
        return self.git.text("rev-parse", "--is-shallow-repository") == "true"

    def read_many(
        self, wanted: Sequence[tuple[str, str]], limit: int | None = 1 << 20
    ) -> dict[tuple[str, str], bytes | None]:
        """The bytes of files (tree or commit, path), read by one process.

        None stands for a file that does not exist, or is larger than `limit` bytes.
        """
        unique = list(dict.fromkeys(wanted))
        names = [f"{tree}:".encode() + clean_path(path) for tree, path in unique]
        found = read_objects(self.git, names, limit)
        return {
            key: None if entry is None or entry.kind != "blob" else entry.data
            for key, entry in zip(unique, found, strict=True)
        }

    def diff(self, old: str, new: str) -> bytes:
        """The whole difference of two commits or trees, in a form that no setting changes."""
        return self.git.run(
            *("-c", "diff.suppressBlankEmpty=false", "-c", f"core.attributesFile={os.devnull}"),
            *("diff-tree", *DIFF_OPTIONS, "--end-of-options", old, new),
            environment={"GIT_ATTR_NOSYSTEM": "1"},
        ).stdout

    def raw_diff(self, old: str, new: str) -> bytes:
        """The changed entries of two commits or trees: modes, ids, status and path of each."""
        done = self.git.run("diff-tree", *RAW_OPTIONS, "--end-of-options", old, new)
        return done.stdout

    def changed_paths(self, old: str, new: str) -> tuple[str, ...]:
        """The paths in which two commits or trees differ; a rename counts as both names."""
        done = self.git.run(
            *("diff-tree", "-r", "-z", "--name-only", "--no-renames"),
            *("--ignore-submodules=none", f"-O{os.devnull}", "--end-of-options", old, new),
        )
        return split(done.stdout)

    def subject(self, commit: str) -> str:
        """The first line of a commit's message."""
        return self.git.text("log", "-1", "--no-show-signature", "--format=%s", commit, "--")

    def committed_at(self, commit: str) -> int:
        """When a commit was made, in seconds since 1970."""
        return int(self.git.text("log", "-1", "--format=%ct", commit))

    def messages(self, old: str, new: str, *, side_lines: bool = False) -> tuple[str, ...]:
        """The messages of the commits on the first-parent line from `old` to `new`, latest first.

        All of them where `old` is empty; with `side_lines` those of merged commits, too.
        """
        lines = () if side_lines else ("--first-parent",)
        done = self.git.run(
            *("log", "-z", *lines, "--no-show-signature", "--no-notes", "--format=%B"),
            *("--end-of-options", f"{old}..{new}" if old else new, "--"),
        )
        return tuple(text for text in done.stdout.decode(errors="replace").split("\0") if text)

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits, or None."""
        done = self.git.run("merge-base", "--end-of-options", one, other, accepted=(0, 1))
        return done.stdout.decode().split("\n")[0] or None

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` contains `ancestor` (a commit contains itself)."""
        done = self.git.run(
            *("merge-base", "--is-ancestor", "--end-of-options", ancestor, descendant),
            accepted=(0, 1),
        )
        return done.code == 0


def split(output: bytes) -> tuple[str, ...]:
    """The paths that git lists with `-z`."""
    return tuple(os.fsdecode(part) for part in output.split(b"\0") if part)
