"""Whether a file is honest source text: what a reviewer sees is what Python runs.

Used by `bot.policy` on files from models and strangers; pure, and never raises.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class TextRule(StrEnum):
    """What can be wrong with a text."""

    NOT_UTF8 = "not-utf-8"
    ENCODING = "encoding-declaration"
    HIDDEN_CHARACTER = "hidden-character"
    LINE_ENDINGS = "line-endings"
    DOES_NOT_PARSE = "does-not-parse"


@dataclass(frozen=True)
class Finding:
    """One broken rule, with the line (from 1) where it shows."""

    rule: TextRule
    message: str
    line: int | None = None


def check_source(path: str, content: bytes, before: bytes | None) -> tuple[Finding, ...]:
    """Judge a text file; a name that ends in .py must also parse.

    What `before` (the file on the base branch) has already is not held against `content`.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (Finding(TextRule.NOT_UTF8, "is not UTF-8 text: save it as UTF-8", line),)
    earlier = (before or b"").decode("utf-8", "replace")
    findings = [*_check_characters(text, earlier), *_check_line_endings(text, earlier)]
    if path.endswith(".py"):
        findings += _check_python(content)
    return tuple(findings)


def _check_characters(text: str, earlier: str) -> Iterator[Finding]:
    """Characters that hide or reorder what a reader sees (the Trojan source attack)."""
    hidden = {c: n for c, n in Counter(text).items() if _is_hidden(c)}
    known = Counter(earlier) if hidden else Counter()
    for character, count in hidden.items():
        if count > known[character]:
            name = unicodedata.name(character, "control character")
            message = f"contains the invisible character U+{ord(character):04X} ({name}): remove it"
            line = text.count("\n", 0, text.index(character)) + 1
            yield Finding(TextRule.HIDDEN_CHARACTER, message, line)


def _is_hidden(character: str) -> bool:
    if character.isascii():
        return (character < " " and character not in "\t\n\r") or character == "\x7f"
    return unicodedata.category(character) in _HIDDEN_CATEGORIES


# Control, format (bidirectional overrides, zero-width), line and paragraph separators,
# surrogates, and private-use characters.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})
_BARE_CARRIAGE_RETURN = re.compile(r"\r(?!\n)")


def _check_line_endings(text: str, earlier: str) -> Iterator[Finding]:
    for kind, pattern in (("CRLF", re.compile("\r\n")), ("bare CR", _BARE_CARRIAGE_RETURN)):
        found = pattern.search(text)
        if found and not pattern.search(earlier):
            message = f"introduces {kind} line endings: keep those of the file"
            line = text.count("\n", 0, found.start()) + 1
            yield Finding(TextRule.LINE_ENDINGS, message, line)


def _check_python(content: bytes) -> Iterator[Finding]:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError as error:
        yield Finding(TextRule.ENCODING, f"has a bad encoding declaration: {_brief(error.msg)}", 1)
        return
    if encoding not in ("utf-8", "utf-8-sig"):
        message = f"declares the encoding {encoding!r}: only UTF-8 is allowed"
        yield Finding(TextRule.ENCODING, message, 1)
        return
    if problem := _parse_problem(content):
        yield problem


def _parse_problem(content: bytes) -> Finding | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(content)
    except SyntaxError as error:
        message = f"is not valid Python: {_brief(error.msg)}"
        return Finding(TextRule.DOES_NOT_PARSE, message, error.lineno)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        kind = type(error).__name__
        return Finding(TextRule.DOES_NOT_PARSE, f"cannot be parsed: nested too deeply ({kind})")
    return None


def _brief(message: str) -> str:
    """The parser's words, which may quote the file, made safe to print."""
    return "".join(c if c.isprintable() else "?" for c in message)[:200]
