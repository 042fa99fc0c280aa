"""A strict reading of what git prints about a change: the full diff and the raw entries.

Written apart from unidiff on purpose: `bot.policy.readings` compares the two readings, and anything
that only one of them sees is refused. Accepted is what git prints with the options in
`bot.git.diffs` and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

ABSENT = "000000"
"""The mode that git writes for the side on which a file does not exist."""


class UnreadableDiff(Exception):
    """The text is not a diff as git prints it; `line` is where that shows (from 1)."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class RawChange:
    """One entry of `git diff-tree -r -z --raw`: octal modes, a status letter, the path's bytes."""

    old_mode: str
    new_mode: str
    status: str
    path: bytes


@dataclass(frozen=True)
class FileDiff:
    """One file of a diff. `added` has (line number in the new file, bytes without line feed).

    A mode is None where git did not print one (only for pure renames and copies).
    """

    path: bytes
    old_mode: str | None
    new_mode: str | None
    renamed: bool
    binary: bool
    added: tuple[tuple[int, bytes], ...] = ()
    removed: tuple[bytes, ...] = ()
    context: tuple[bytes, ...] = ()


def read_raw(data: bytes) -> tuple[RawChange, ...]:
    """Parse what git prints with `bot.git.diffs.RAW_OPTIONS`. Raises UnreadableDiff."""
    if not data:
        return ()
    fields = data.split(b"\0")
    if fields.pop() != b"" or len(fields) % 2:
        raise UnreadableDiff("the raw entries are cut off")
    return tuple(
        _raw_change(meta, path) for meta, path in zip(fields[::2], fields[1::2], strict=True)
    )


def _raw_change(meta: bytes, path: bytes) -> RawChange:
    match = _RAW_META.fullmatch(meta)
    if match is None or not path:
        raise UnreadableDiff(f"not a raw entry: {meta[:80]!r}")
    old_mode, new_mode, status = (group.decode("ascii") for group in match.groups())
    return RawChange(old_mode, new_mode, status, path)


def read_diff(diff: bytes) -> tuple[FileDiff, ...]:
    """Parse a diff made with `bot.git.diffs.DIFF_OPTIONS`. Raises UnreadableDiff alone."""
    if not diff:
        return ()
    lines = diff.split(b"\n")
    if lines.pop() != b"":
        raise UnreadableDiff("the diff does not end with a line feed", len(lines) + 1)
    reader = _Reader(lines)
    files = []
    while not reader.at_end:
        files.append(_read_file(reader))
    return tuple(files)


def unquote(name: bytes) -> bytes:
    """Undo git's C-style quoting of a file name, if it is quoted. Raises UnreadableDiff."""
    if not name.startswith(b'"'):
        return name
    if not _QUOTED.fullmatch(name):
        raise UnreadableDiff(f"a badly quoted file name: {name[:80]!r}")
    return _ESCAPE.sub(_unescape, name[1:-1])


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return bytes([int(code, 8)]) if code.isdigit() else _ESCAPES[code]


_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"t": b"\t",
    b"n": b"\n",
    b"v": b"\v",
    b"f": b"\f",
    b"r": b"\r",
    b'"': b'"',
    b"\\": b"\\",
}
_ESCAPE = re.compile(rb'\\([0-3][0-7]{2}|[abtnvfr"\\])')
_QUOTED = re.compile(rb'"(?:[^"\\]|\\[0-3][0-7]{2}|\\[abtnvfr"\\])*"')
_RAW_META = re.compile(rb":(\d{6}) (\d{6}) [0-9a-f]{40,64} [0-9a-f]{40,64} ([A-Z])\d{0,3}")
_INDEX = re.compile(rb"index [0-9a-f]{4,64}\.\.[0-9a-f]{4,64}(?: (\d{6}))?")
_HUNK = re.compile(
    rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: .*)?", re.DOTALL
)
_HEADER = b"diff --git "
_NO_NEWLINE = b"\\ No newline at end of file"
_MODES = (b"old mode", b"new mode", b"new file mode", b"deleted file mode")
_RENAMES = (b"rename from", b"rename to", b"copy from", b"copy to")
_SIMILARITY = (b"similarity index", b"dissimilarity index")
_KEYS = (*_MODES, *_RENAMES, *_SIMILARITY, b"index")
_MODE = re.compile(rb"\d{6}")


class _Reader:
    """The lines of a diff with a place in them."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._lines)

    def peek(self) -> bytes:
        return b"" if self.at_end else self._lines[self._at]

    def take(self) -> bytes:
        if self.at_end:
            raise self.unreadable("the diff ends too early")
        self._at += 1
        return self._lines[self._at - 1]

    def unreadable(self, message: str) -> UnreadableDiff:
        return UnreadableDiff(message, max(self._at, 1))


def _read_file(reader: _Reader) -> FileDiff:
    header = reader.take()
    if not header.startswith(_HEADER):
        raise reader.unreadable(f"expected 'diff --git', found {header[:60]!r}")
    path = _same_path(header.removeprefix(_HEADER))
    extended = _read_extended(reader)
    renamed = any(key in extended for key in _RENAMES)
    if path is None:
        if not renamed:
            raise reader.unreadable(f"the two names differ: {header[:160]!r}")
        path = unquote(extended.get(b"rename to", extended.get(b"copy to", b"")))
    old_mode, new_mode = _modes(reader, extended)
    body = _read_body(reader, path, old_mode, new_mode)
    if old_mode == new_mode and not (renamed or body.binary or body.added or body.removed):
        raise reader.unreadable("a file is listed without any change of it")
    return FileDiff(
        path=path,
        old_mode=old_mode,
        new_mode=new_mode,
        renamed=renamed,
        binary=body.binary,
        added=tuple(body.added),
        removed=tuple(body.removed),
        context=tuple(body.context),
    )


def _same_path(names: bytes) -> bytes | None:
    """The path in "a/PATH b/PATH"; None when the two are not equal."""
    middle, odd = divmod(len(names), 2)
    if not odd or names[middle : middle + 1] != b" ":
        return None
    old, new = unquote(names[:middle]), unquote(names[middle + 1 :])
    if not (old.startswith(b"a/") and new.startswith(b"b/")) or old[2:] != new[2:]:
        return None
    return old[2:]


def _read_extended(reader: _Reader) -> dict[bytes, bytes]:
    """The lines between header and body, by key; `index` holds the mode that both sides have."""
    found: dict[bytes, bytes] = {}
    while True:
        line = reader.peek()
        key = next((key for key in _KEYS if line.startswith(key + b" ")), None)
        if key is None:
            return found
        reader.take()
        if key in found:
            raise reader.unreadable(f"a second line {key.decode()!r}")
        value = line.removeprefix(key + b" ")
        if key == b"index":
            match = _INDEX.fullmatch(line)
            if match is None:
                raise reader.unreadable(f"not an index line: {line[:120]!r}")
            value = match.group(1) or b""
        elif key in _MODES and not _MODE.fullmatch(value):
            raise reader.unreadable(f"not a mode: {line[:120]!r}")
        found[key] = value


def _modes(reader: _Reader, extended: dict[bytes, bytes]) -> tuple[str | None, str | None]:
    """Old and new mode; exactly one of the ways in which git says them may be used."""
    given = {key: extended[key].decode("ascii") for key in _MODES if key in extended}
    both = extended.get(b"index", b"").decode("ascii")
    if not given:
        if not both and b"index" in extended:
            raise reader.unreadable("an index line without a mode")
        return (both or None, both or None)
    if both:
        raise reader.unreadable("two statements about the mode")
    match given:
        case {b"old mode": old, b"new mode": new, **rest} if not rest:
            return old, new
        case {b"new file mode": new, **rest} if not rest:
            return ABSENT, new
        case {b"deleted file mode": old, **rest} if not rest:
            return old, ABSENT
    raise reader.unreadable("contradictory statements about the mode")


@dataclass
class _Body:
    """What the hunks of one file say; grows while they are read."""

    binary: bool = False
    added: list[tuple[int, bytes]] = field(default_factory=list)
    removed: list[bytes] = field(default_factory=list)
    context: list[bytes] = field(default_factory=list)


def _read_body(reader: _Reader, path: bytes, old_mode: str | None, new_mode: str | None) -> _Body:
    line = reader.peek()
    if line == b"GIT binary patch" or line.startswith(b"Binary files "):
        while not reader.at_end and not reader.peek().startswith(_HEADER):
            reader.take()
        return _Body(binary=True)
    body = _Body()
    if not line.startswith(b"--- "):
        return body
    _expect_name(reader, b"--- ", b"a/" + path, old_mode)
    _expect_name(reader, b"+++ ", b"b/" + path, new_mode)
    if not reader.peek().startswith(b"@@ "):
        raise reader.unreadable("a file without hunks")
    while reader.peek().startswith(b"@@ "):
        _read_hunk(reader, body)
    return body


def _expect_name(reader: _Reader, marker: bytes, name: bytes, mode: str | None) -> None:
    line = reader.take()
    found = line.removeprefix(marker).removesuffix(b"\t")  # git ends names with spaces by a tab
    expected = b"/dev/null" if mode == ABSENT else name
    if not line.startswith(marker) or unquote(found) != expected:
        raise reader.unreadable(f"expected the name {expected!r}, found {line[:160]!r}")


def _read_hunk(reader: _Reader, body: _Body) -> None:
    match = _HUNK.fullmatch(reader.take())
    if match is None:
        raise reader.unreadable("not the start of a hunk")
    old_left = int(match.group(2) or 1)
    new_left = int(match.group(4) or 1)
    number = int(match.group(3))
    before = len(body.added) + len(body.removed)
    while old_left or new_left:
        line = reader.take()
        kind, text = line[:1], line[1:]
        if kind == b"+":
            body.added.append((number, text))
        elif kind == b"-":
            body.removed.append(text)
        elif kind in (b" ", b""):  # empty: git's diff.suppressBlankEmpty
            body.context.append(text)
        elif line == _NO_NEWLINE:
            continue
        else:
            raise reader.unreadable(f"not a line of a hunk: {line[:60]!r}")
        old_left -= kind != b"+"
        new_left -= kind != b"-"
        number += kind != b"-"
        if old_left < 0 or new_left < 0:
            raise reader.unreadable("a hunk is longer than it says")
    if reader.peek() == _NO_NEWLINE:
        reader.take()
    if len(body.added) + len(body.removed) == before:
        raise reader.unreadable("a hunk that changes nothing")
