"""The tunable constants of a training script: find them, and edit nothing but their literals.

A tunable constant is a module-level `name = literal` between the lines

    # --- constants (tunable) ---
    # --- end of constants ---

or, in a script without such lines, in the run of assignments after its imports. Its name is in
upper case, or it lies between such lines and has a range. A comment behind it may give that:
`# 1e-4 .. 1e-2, log; free text` or `# one of: "a", "b"; free text`.

`ast` is used, and not a concrete syntax tree: it gives the exact bytes of each literal, so
that an edit is a splice, and, unlike libcst's parser, it cannot be crashed by a hostile file.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.proposers.ranges import Choices, Domain, Kind, Range, Value, domain_of, kind_of

__all__ = ["Block", "Choices", "Constant", "Domain", "Kind", "NotEditable", "Range", "Value"]

LARGEST_INTEGER = 2**53
"""Beyond this an integer is an identifier or a mask, not a hyperparameter."""


class NotEditable(Exception):
    """The script cannot be read, or lacks the constant that was to be changed."""


@dataclass(frozen=True)
class Constant:
    """One tunable constant. `line` counts from 1; `hinted`: its domain was written beside it."""

    name: str
    value: Value
    kind: Kind
    domain: Domain
    line: int
    hinted: bool = False


@dataclass(frozen=True)
class Block:
    """What `find` found. `problems` are hints that could not be used, in words for a person."""

    constants: tuple[Constant, ...]
    problems: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, Value]:
        """Name to value, in the order of the file."""
        return {constant.name: constant.value for constant in self.constants}


@dataclass(frozen=True)
class _Place:
    """An assignment of a literal: where its bytes are within its line, and what follows it."""

    name: str
    value: Value
    line: int  # from 0
    start: int
    end: int
    comment: str  # behind the literal, without "#"; empty if another statement follows

    def text(self, lines: Sequence[bytes]) -> bytes:
        return lines[self.line][self.start : self.end]


def find(source: bytes) -> Block:
    """The tunable constants of a script, in its order. Raises NotEditable if it cannot be read."""
    constants, problems = [], []
    places, marked = _places(source)
    for place in places:
        domain, problem = domain_of(place.value, place.comment)
        if problem:
            problems.append(f"line {place.line + 1}: {place.name}: {problem}")
        hinted = domain is not None and domain.hinted
        if domain is None or (not marked and not hinted and "SEED" in place.name):
            continue
        if not hinted and not _NAME.fullmatch(place.name):
            continue
        kind = kind_of(place.value, domain)
        constants.append(Constant(place.name, place.value, kind, domain, place.line + 1, hinted))
    return Block(tuple(constants), tuple(problems))


def apply(source: bytes, values: Mapping[str, Value]) -> bytes:
    """The script with other values in the literals of the named constants.

    Everything else stays as it is, to the byte, except the spaces in front of a comment that
    is aligned with others. Raises NotEditable for a name that is not a tunable constant.
    """
    lines = source.splitlines(keepends=True)
    places = {place.name: place for place in _places(source)[0]}
    missing = sorted(values.keys() - places.keys())
    if missing:
        raise NotEditable(f"no tunable constant of this name in the script: {', '.join(missing)}")
    columns = _aligned_columns(lines, places.values())
    # From the right, so that the places of the others on a line stay true.
    for name in sorted(values, key=lambda name: places[name].start, reverse=True):
        place = places[name]
        literal = write(values[name], place.text(lines).decode()).encode()
        lines[place.line] = _splice(lines[place.line], place, literal, columns)
    return b"".join(lines)


def write(value: Value, like: str = "") -> str:
    """A literal for `value` that reads well and means exactly it; style taken from `like`."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:_}" if "_" in like else str(value)
    if isinstance(value, float):
        return _write_float(value)
    plain = value.isprintable() and not set(value) & {"\\", '"'}
    return f'"{value}"' if plain and not like.startswith("'") else repr(value)


def _write_float(value: float) -> str:
    if not math.isfinite(value):
        raise NotEditable(f"{value} cannot be written as a literal")
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    mantissa, _, exponent = f"{abs(value):.17e}".partition("e")
    for digits in range(17):  # the fewest digits that mean the same number
        mantissa, _, exponent = f"{abs(value):.{digits}e}".partition("e")
        if float(f"{mantissa}e{exponent}") == abs(value):
            break
    power = int(exponent)
    if value != 0 and not -3 <= power < 6:
        return f"{sign}{mantissa}e{power}"
    decimals = max(1, len(mantissa.partition(".")[2]) - power)
    return f"{sign}{abs(value):.{decimals}f}"


# ---------------------------------------------------------------------------------------------
# where the literals are


def _places(source: bytes) -> tuple[list[_Place], bool]:
    """All tunable assignments, and whether marker comments chose them."""
    tree = _parse(source)
    lines = source.splitlines(keepends=True)
    spans = _marked_spans(tree, lines)
    statements = (
        [node for node in tree.body if any(a < node.lineno - 1 < b for a, b in spans)]
        if spans
        else list(_leading_run(tree))
    )
    per_line = Counter(node.lineno for node in tree.body)
    found = [
        place
        for node in statements
        if (place := _place(node, lines, alone=per_line[node.lineno] == 1, marked=bool(spans)))
    ]
    times = Counter(place.name for place in found)
    return [place for place in found if times[place.name] == 1], bool(spans)


def _parse(source: bytes) -> ast.Module:
    try:
        source.decode("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        message = f"line {error.lineno} is not valid Python: correct it first"
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"the script cannot be parsed ({type(error).__name__}): simplify it"
    raise NotEditable(message)


_MARKER = re.compile(rb"#[ \t]*-+[ \t]*(end of constants|constants \(tunable\))[ \t]*-+[ \t\r\n]*")


def _marked_spans(tree: ast.Module, lines: Sequence[bytes]) -> list[tuple[int, float]]:
    """Pairs of line numbers (from 0) of markers; a block without an end goes on to the end."""
    inside_statement: set[int] = set()
    for node in tree.body:
        inside_statement.update(range(node.lineno - 1, node.end_lineno or node.lineno))
    spans: list[tuple[int, float]] = []
    for number, line in enumerate(lines):
        match = _MARKER.fullmatch(line)
        if match is None or number in inside_statement:
            continue
        if match.group(1) != b"end of constants":
            spans.append((number, math.inf))
        elif spans and spans[-1][1] == math.inf:
            spans[-1] = (spans[-1][0], number)
    return spans


def _leading_run(tree: ast.Module) -> Iterator[ast.stmt]:
    """The first run of plain assignments, in a script without markers."""
    started = False
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            started = started or _literal(node, marked=False) is not None
            yield node
        elif started or isinstance(node, ast.FunctionDef | ast.ClassDef | ast.For | ast.While):
            return


_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_MARKED_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def _literal(node: ast.stmt, *, marked: bool) -> tuple[str, ast.expr, Value] | None:
    """Name, node and value of `UPPER_CASE = literal`; between markers, of any name."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=expression):
            pass
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as expression):
            pass
        case _:
            return None
    plain = _MARKED_NAME if marked else _NAME
    if not plain.fullmatch(name) or expression.lineno != expression.end_lineno:
        return None
    match expression:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            pass
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            value = -number
        case _:
            return None
    if isinstance(value, int | float) and not abs(value) <= LARGEST_INTEGER:
        return None
    return name, expression, value


def _place(node: ast.stmt, lines: Sequence[bytes], *, alone: bool, marked: bool) -> _Place | None:
    found = _literal(node, marked=marked)
    if found is None:
        return None
    name, expression, value = found
    number = expression.lineno - 1
    # Python drops a byte-order mark before it counts the columns of the first line.
    shift = 3 if number == 0 and lines[0].startswith(b"\xef\xbb\xbf") else 0
    start, end = expression.col_offset + shift, (expression.end_col_offset or 0) + shift
    rest = _COMMENT.fullmatch(lines[number][end:])
    comment = rest.group(2).decode("utf-8", "replace").strip() if rest and alone else ""
    return _Place(name, value, number, start, end, comment)


_COMMENT = re.compile(rb"[ \t)]*?([ \t]*)#([^\r\n]*)[\r\n]*")


# ---------------------------------------------------------------------------------------------
# comments that stand in a column


def _padding(line: bytes, end: int) -> int | None:
    """The number of spaces between a literal and its comment; None if it is anything else."""
    match = re.match(rb"( *)#", line[end:])
    return len(match.group(1)) if match else None


def _aligned_columns(lines: Sequence[bytes], places: Iterable[_Place]) -> frozenset[int]:
    """Columns in which comments stand on purpose: some line is padded to reach it."""
    columns = set()
    for place in places:
        padding = _padding(lines[place.line], place.end)
        if padding is not None and padding > 2:
            columns.add(place.end + padding)
    return frozenset(columns)


def _splice(line: bytes, place: _Place, literal: bytes, columns: frozenset[int]) -> bytes:
    padding = _padding(line, place.end)
    rest = line[place.end :]
    if padding is not None and place.end + padding in columns:
        kept = max(min(padding, 2), padding - (len(literal) - (place.end - place.start)))
        rest = b" " * kept + rest[padding:]
    return line[: place.start] + literal + rest
