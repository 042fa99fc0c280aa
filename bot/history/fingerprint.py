"""When two experiments are the same, or nearly: fingerprints of the files that are measured.

Callers: the proposers (no repeats), `bot.proposing.propose` (a duplicate is refused before it costs
anything) and the verdict (how large a file is). Pure. Files may come from strangers: nothing
here raises because of what they contain.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.proposers.constants import Constant, NotEditable, find
from bot.proposers.ranges import Choices, Domain, Range, Value

Files = Mapping[str, bytes]
"""Path to content: the allowed files of one experiment."""


def exact(files: Files, beside: str = "") -> str:
    """A digest (SHA-256, hexadecimal) that is equal for files that do the same by construction.

    Python is compared by its syntax tree: comments, formatting, the spelling of numbers and
    texts that stand alone (docstrings) do not count. Other files, and Python that does not
    parse, are compared by their bytes. `beside` stands for what these files need beside them
    (`bot.candidate.needs_digest`), empty where they need nothing.
    """
    digest = hashlib.sha256(beside.encode())
    for path in sorted(files):
        for part in (path.encode("utf-8", "surrogateescape"), _content(path, files[path])):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def constants_vector(files: Files, entry: str) -> dict[str, Value]:
    """The values of the tunable constants of the entry file; empty if there are none."""
    return dict(_constants(files.get(entry, b"")))


def code_tokens(content: bytes) -> int:
    """The size of a source file: words and signs, without comments, docstrings and formatting.

    The words inside texts count too, so that code moved into a text is not gone.
    """
    code = _without_comments(content)
    return len(_WORD_OR_SIGN.findall(code))


@dataclass(frozen=True)
class Near:
    """An earlier experiment like the new one. `similarity` is from 0 to 1 (the same change)."""

    number: int
    similarity: float
    why: str


@dataclass(frozen=True)
class Earlier:
    """An earlier experiment: its files, and those that it started from (None: as today)."""

    number: int
    files: Files
    base: Files | None = None


def near(
    files: Files,
    base: Files,
    entry: str,
    earlier: Sequence[Earlier],
    *,
    limit: int = 5,
    at_least: float = 0.3,
) -> tuple[Near, ...]:
    """Earlier experiments whose change is like that from `base` to `files`, most alike first.

    Constants are alike when the same ones were changed to near values, other code when the
    same normalised lines were added and removed.
    """
    new = _change(files, base, entry)
    found = []
    for one in earlier:
        score, why = _similarity(new, _change(one.files, one.base or base, entry))
        if score >= at_least:
            found.append(Near(one.number, round(score, 3), why))
    found.sort(key=lambda item: (-item.similarity, -item.number))
    return tuple(found[:limit])


# ---------------------------------------------------------------------------------------------
# the same code


# What Python raises for source that is legal and yet beyond it: nested too deeply, or a number
# of more digits than it will write down.
_TOO_MUCH = (ValueError, OverflowError, RecursionError, MemoryError)


@functools.lru_cache(maxsize=4096)
def _content(path: str, content: bytes) -> bytes:
    if path.endswith(".py"):
        tree = _parse(content)
        if tree is not None:
            parts: list[str] = []
            with suppress(*_TOO_MUCH):
                _flatten(tree, parts)
                return b"python\0" + "\0".join(parts).encode("utf-8", "surrogatepass")
    return b"bytes\0" + content


def _parse(content: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(content)
    except (SyntaxError, *_TOO_MUCH):
        return None


def _flatten(node: ast.AST, parts: list[str]) -> None:
    """Write the tree as a list of words; three times as fast as `ast.dump`.

    Empty fields are left out, so that a field that a later Python adds changes nothing.
    """
    parts.append(type(node).__name__)
    if isinstance(node, ast.Constant):
        parts.append(repr(node.value))
        return
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name == "type_comment":
            continue
        parts.append(name)
        if isinstance(value, ast.AST):
            _flatten(value, parts)
        elif isinstance(value, list):
            for item in value:
                if not isinstance(item, ast.AST):
                    parts.append(repr(item))
                elif not _is_lone_text(item):
                    _flatten(item, parts)
            parts.append(")")
        else:
            parts.append(repr(value))
    parts.append(".")


def _is_lone_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


# ---------------------------------------------------------------------------------------------
# size

_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")
_SKIPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
}


@functools.lru_cache(maxsize=256)
def _without_comments(content: bytes) -> str:
    tree = _parse(content)
    if tree is None:
        return content.decode("utf-8", "replace")
    lone = {
        (node.value.lineno, node.value.col_offset)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and _is_lone_text(node)
    }
    kept = []
    try:
        for token in tokenize.tokenize(io.BytesIO(content).readline):
            if token.type not in _SKIPPED and not (
                token.type == tokenize.STRING and token.start in lone
            ):
                kept.append(token.string)
    except (tokenize.TokenError, SyntaxError, *_TOO_MUCH):
        return content.decode("utf-8", "replace")
    return " ".join(kept)


# ---------------------------------------------------------------------------------------------
# nearly the same change


@dataclass(frozen=True)
class _Change:
    """What one experiment changes: constants to values, and normalised lines."""

    constants: Mapping[str, Value]
    domains: Mapping[str, Domain]
    lines: Counter[str]


@functools.lru_cache(maxsize=4096)
def _constants(source: bytes) -> tuple[tuple[str, Value], ...]:
    return tuple((constant.name, constant.value) for constant in _found(source))


def _found(source: bytes) -> tuple[Constant, ...]:
    try:
        found = find(source).constants
        for constant in found:
            repr(constant.value)  # is shown and compared as a number later
            if isinstance(constant.value, int | float):
                float(constant.value)
    except (NotEditable, *_TOO_MUCH):
        return ()
    return found


def _change(files: Files, base: Files, entry: str) -> _Change:
    before, after = constants_vector(base, entry), constants_vector(files, entry)
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    domains = {constant.name: constant.domain for constant in _found(base.get(entry, b""))}
    lines: Counter[str] = Counter()
    for path in sorted(files.keys() | base.keys()):
        lines += _changed_lines(base.get(path, b""), files.get(path, b""), after.keys())
    return _Change(changed, domains, lines)


_SPACE = re.compile(r"\s+")
_ASSIGNED = re.compile(r"([A-Z][A-Z0-9_]*) ?[:=]")


def _changed_lines(before: bytes, after: bytes, constants: object) -> Counter[str]:
    """Added (+) and removed (-) lines, normalised; those of tunable constants are left out."""
    if before == after:
        return Counter()
    old, new = _normal_lines(before), _normal_lines(after)
    added, removed = new - old, old - new
    signed = [("+", added), ("-", removed)]
    return Counter(
        {
            sign + line: count
            for sign, lines in signed
            for line, count in lines.items()
            if not ((match := _ASSIGNED.match(line)) and match.group(1) in constants)  # type: ignore[operator]
        }
    )


@functools.lru_cache(maxsize=4096)
def _normal_lines(content: bytes) -> Counter[str]:
    lines = content.decode("utf-8", "replace").splitlines()
    normal = (_SPACE.sub(" ", line.partition(" #")[0]).strip() for line in lines)
    return Counter(line for line in normal if line and not line.startswith("#"))


def _similarity(new: _Change, old: _Change) -> tuple[float, str]:
    if not (old.constants or old.lines):
        return 0.0, ""
    weight_constants = len(new.constants.keys() | old.constants.keys())
    weight_lines = min(weight_constants + 1, 5) if new.lines or old.lines else 0
    total = weight_constants + weight_lines
    if not total:
        return 0.0, ""
    shared = sorted(new.constants.keys() & old.constants.keys())
    closeness = {name: _closeness(new, old, name) for name in shared}
    code = _line_similarity(new.lines, old.lines)
    score = (sum(closeness.values()) + code * weight_lines) / total
    reasons = [f"{name} to {old.constants[name]!r}" for name in shared]
    why = "changed " + ", ".join(reasons) if reasons else ""
    if code > 0 and weight_lines:
        why += ("; " if why else "") + f"{code:.0%} of the changed lines alike"
    return score, why


def _closeness(new: _Change, old: _Change, name: str) -> float:
    """1 for the same value; at least 0.25, for the same constant was changed."""
    mine, other = new.constants[name], old.constants[name]
    if mine == other:
        return 1.0
    domain = new.domains.get(name)
    numbers = isinstance(mine, int | float) and isinstance(other, int | float)
    if domain is None or isinstance(domain, Choices) or not numbers:
        return 0.25
    return 0.25 + 0.75 * max(0.0, 1.0 - 2.0 * _distance(domain, float(mine), float(other)))


def _distance(domain: Range, first: float, second: float) -> float:
    low, high = (min(domain.high, max(domain.low, value)) for value in (first, second))
    return abs(domain.to_unit(low) - domain.to_unit(high))


def _line_similarity(first: Counter[str], second: Counter[str]) -> float:
    """Shared lines over all lines; a line that is only similar counts in part."""
    if not first or not second:
        return 0.0
    shared = (first & second).total()
    rest, others = list((first - second).elements())[:200], list((second - first).elements())[:200]
    partly = (
        difflib.SequenceMatcher(
            None, "\n".join(sorted(rest)), "\n".join(sorted(others)), autojunk=False
        ).quick_ratio()
        if rest and others
        else 0.0
    )
    close = max(0.0, partly - 0.5) * min(len(rest), len(others))
    return min(1.0, (shared + close) / (first | second).total())
