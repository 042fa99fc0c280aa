"""Whether a file is honest source text: what a reviewer sees is what Python runs.

Used by `bot.policy.rules` on files from models and strangers; pure, and never raises.
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

from runner.characters import is_hidden, is_odd_space


class TextRule(StrEnum):
    """What can be wrong with a text."""

    NOT_UTF8 = "not-utf-8"
    ENCODING = "encoding-declaration"
    HIDDEN_CHARACTER = "hidden-character"
    LINE_ENDINGS = "line-endings"
    ODD_NAME = "odd-name"
    DOES_NOT_PARSE = "does-not-parse"


LONGEST_NUMBER_BITS = 8_192
"""Python writes no number of more than 4,300 digits (14,284 bits), not even in a message."""


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
        findings += _check_names(text, earlier)
    return tuple(findings)


def _check_characters(text: str, earlier: str) -> Iterator[Finding]:
    """Characters that hide or reorder what a reader sees (the Trojan source attack)."""
    hidden = {c: n for c, n in Counter(text).items() if is_hidden(c) or is_odd_space(c)}
    known = Counter(earlier) if hidden else Counter()
    for character, count in hidden.items():
        if count > known[character]:
            name = unicodedata.name(character, "control character")
            what = "invisible character" if is_hidden(character) else "uncommon space"
            message = f"contains the {what} U+{ord(character):04X} ({name}): remove it"
            line = text.count("\n", 0, text.index(character)) + 1
            yield Finding(TextRule.HIDDEN_CHARACTER, message, line)


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


def _check_names(text: str, earlier: str) -> Iterator[Finding]:
    """Names that Python reads as other names than they are written (it takes their NFKC form)."""
    if text.isascii():
        return
    known = {name for name, _ in _odd_names(earlier)}
    for name, line in _odd_names(text):
        if name not in known:
            known.add(name)
            message = f"writes the name {_normal(name)!r} in other characters: write it like this"
            yield Finding(TextRule.ODD_NAME, _brief(message), line)


def _odd_names(text: str) -> Iterator[tuple[str, int]]:
    """Names that differ from their normal form, and their lines; up to where Python gives up."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            found = [token.string] if token.type == tokenize.NAME else _names_inside(token)
            for name in found:
                if name != _normal(name):
                    yield name, token.start[0]
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def _names_inside(token: tokenize.TokenInfo) -> list[str]:
    """The names in the braces of an f-string, which is one token."""
    if token.type != tokenize.STRING or "f" not in _prefix(token.string):
        return []
    inside = (part.partition("}")[0] for part in token.string.split("{")[1:])
    return [name for part in inside for name in _WORD.findall(part) if name.isidentifier()]


def _prefix(literal: str) -> str:
    return literal.partition(literal[-1])[0].lower()


_WORD = re.compile(r"\w+")


def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name)


def _parse_problem(content: bytes) -> Finding | None:
    """Compile it, which runs nothing: what only parses (a stray `return`) is not Python yet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(content, "<candidate>", "exec", flags=0, dont_inherit=True, optimize=0)
            return _long_number(ast.parse(content))
    except SyntaxError as error:
        message = f"is not valid Python: {_brief(error.msg)}"
        return Finding(TextRule.DOES_NOT_PARSE, message, error.lineno)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        kind = type(error).__name__
        return Finding(TextRule.DOES_NOT_PARSE, f"cannot be parsed: nested too deeply ({kind})")


def _long_number(tree: ast.Module) -> Finding | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            bits = node.value.bit_length()
            if bits > LONGEST_NUMBER_BITS:
                message = f"has a number of {bits} bits: write it as a calculation"
                return Finding(TextRule.DOES_NOT_PARSE, message, node.lineno)
    return None


def _brief(message: str) -> str:
    """The parser's words, which may quote the file, made safe to print."""
    return "".join(c if c.isprintable() else "?" for c in message)[:200]
