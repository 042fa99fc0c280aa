"""What can be wrong with a change: the rules by name, and how a broken one is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """The rules that a change can break."""

    EMPTY_DIFF = "empty-diff"
    UNREADABLE_DIFF = "unreadable-diff"
    READERS_DISAGREE = "readers-disagree"
    ODD_PATH = "odd-path"
    PATH_NOT_ALLOWED = "path-not-allowed"
    PATH_CASE = "path-case"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    MODE_CHANGE = "mode-change"
    NOT_REGULAR = "not-a-regular-file"
    RENAME = "rename"
    DELETION = "deletion"
    BINARY = "binary"
    TOO_LARGE = "too-large"
    TOO_MANY_LINES = "too-many-changed-lines"
    MISSING_ENTRY = "missing-entry"
    NOT_UTF8 = "not-utf-8"
    ENCODING = "encoding-declaration"
    HIDDEN_CHARACTER = "hidden-character"
    LINE_ENDINGS = "line-endings"
    ODD_NAME = "odd-name"
    DOES_NOT_PARSE = "does-not-parse"


@dataclass(frozen=True)
class Violation:
    """One broken rule.

    `path` is safe to print, and empty when the diff as a whole is meant; `line` then counts
    in the diff, else in the new file.
    """

    path: str
    rule: Rule
    message: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.path or "the diff"
        place = place if self.line is None else f"{place}:{self.line}"
        return f"{place}: {self.message} [{self.rule}]"


def unreadable(message: str, line: int | None = None) -> Violation:
    """A change that cannot be judged is not allowed."""
    text = f"the diff cannot be read ({message}): make it with git, without extra options"
    return Violation("", Rule.UNREADABLE_DIFF, text, line)


def printable(path: bytes) -> str:
    """A path from a diff, safe to print and bounded."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)[:300]
