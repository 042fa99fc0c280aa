from __future__ import annotations

import ast
import math
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.proposers.constants import Constant, NotEditable, apply, find, write
from bot.proposers.ranges import Choices, Kind, Range, Value

MARKED = """\
import os

OUTSIDE = 3
# --- constants (tunable) ---
RATE = 1e-3  # 1e-4 .. 1e-2, log; highest rate
BATCH = 1_024  # 64 .. 4_096, log
SHIFT = -0.5  # -1.0 .. 1
SCHEDULE = "cosine"  # one of: "cosine", 'linear', constant; after the warm-up
PATCH: int = 8  # one of: 4, 8, 12
USE_EMA = True
WIDTH = 96
NAME = "x"
lower = 3
COMPUTED = 2 * 3
NOTHING = None
PAIR = (1, 2)
# --- end of constants ---
AFTER = 1.0
"""


def constants(text: str) -> dict[str, Constant]:
    return {constant.name: constant for constant in find(text.encode()).constants}


def only(text: str) -> Constant:
    (constant,) = find(text.encode()).constants
    return constant


# Finding


def test_the_marked_block_is_found_and_nothing_else() -> None:
    found = constants(MARKED)
    assert list(found) == ["RATE", "BATCH", "SHIFT", "SCHEDULE", "PATCH", "USE_EMA", "WIDTH"]
    assert found["RATE"].line == 5
    assert [c.kind for c in found.values()] == [
        Kind.FLOAT, Kind.INTEGER, Kind.FLOAT, Kind.STRING, Kind.INTEGER, Kind.BOOL, Kind.INTEGER,
    ]  # fmt: skip
    assert found["RATE"].domain == Range(1e-4, 1e-2, log=True, hinted=True)
    assert found["SHIFT"].domain == Range(-1.0, 1.0, hinted=True)
    assert found["BATCH"].domain == Range(64, 4096, True, True, True, step=8)
    assert found["SCHEDULE"].domain == Choices(("cosine", "linear", "constant"), hinted=True)
    assert found["PATCH"].domain == Choices((4, 8, 12), hinted=True)
    assert found["USE_EMA"].domain == Choices((False, True))
    assert not found["WIDTH"].hinted


def test_the_shipped_script_has_only_usable_hints() -> None:
    script = Path(__file__).parents[3] / "train.py"
    block = find(script.read_bytes())
    assert not block.problems
    assert len(block.constants) >= 10
    assert all(constant.hinted for constant in block.constants)


def test_without_markers_the_first_run_of_assignments_counts() -> None:
    found = constants(
        '"""Doc."""\nimport os\nfrom x import y\n\nDEVICE = os.environ.get("D")\nRATE = 0.1\n'
        "SEED = 1234\nSTEPS = 100\nx = 3\n\ndef f():\n    pass\n\nLATER = 5\n"
    )
    assert list(found) == ["RATE", "STEPS"]
    assert list(constants("def f():\n    pass\nRATE = 0.1\n")) == []


def test_markers_inside_texts_do_not_count() -> None:
    text = 'X = 1\nDOC = """\n# --- constants (tunable) ---\nRATE = 2\n"""\n'
    assert list(constants(text)) == ["X"]


def test_a_block_without_an_end_goes_on_and_an_empty_block_is_empty() -> None:
    begin, end = "# --- constants (tunable) ---\n", "# --- end of constants ---\n"
    assert list(constants(f"A = 1\n{begin}B = 2\n\ndef f():\n    pass\n")) == ["B"]
    assert list(constants(f"A = 1\n{begin}{end}B = 2\n")) == []
    assert list(constants(f"{begin}A = 1\n{end}B = 2\n{begin}C = 3\n{end}")) == ["A", "C"]


def test_a_constant_that_is_assigned_twice_is_left_alone() -> None:
    assert list(constants("A = 1\nB = 2\nA = 3\n")) == ["B"]


@pytest.mark.parametrize("literal", ["1e999", "-1e999", "2 ** 3", "3j", "b'x'", "9" * 30, "[1]"])
def test_literals_that_cannot_be_tuned_are_left_alone(literal: str) -> None:
    assert constants(f"A = {literal}\n") == {}


@pytest.mark.parametrize(
    "content", [b"def (", b"\xff", b"A = 1\0", b"x = " + b"-" * 99_999 + b"1", b"x = " + b"(" * 999]
)
def test_a_script_that_cannot_be_read_is_a_clear_error(content: bytes) -> None:
    for call in (find, lambda source: apply(source, {})):
        with pytest.raises(NotEditable):
            call(content)


@given(
    st.binary(max_size=100)
    | st.text(alphabet='AB=1.#eE,;:" one of log-\n', max_size=80).map(str.encode)
)
@settings(max_examples=400)
def test_no_script_raises_anything_else(content: bytes) -> None:
    try:
        block = find(content)
    except NotEditable:
        return
    again = find(apply(content, block.values))
    assert repr(again.values) == repr(block.values)


# Hints


@pytest.mark.parametrize(
    ("literal", "hint", "why"),
    [
        ("1.0", "5 .. 2", "below the second"),
        ("1.0", "0 .. 2, log", "above 0"),
        ("1.0", "1 .. 2, logarithmic", "write"),
        ("1.0", "1 .. ", "write"),
        ("1.0", "1 .. 2 and text", "write"),
        ("1.0", "one of: a, b", "type"),
        ("True", "0 .. 1", "number"),
        ("'a'", "0 .. 1", "number"),
        ("1", "one of: 1", "two values"),
        ("1.0", "1 .. 1e999", "finite"),
        ("1", "one of: True, False", "type"),
    ],
)
def test_a_hint_that_cannot_be_used_is_reported_and_a_range_derived(
    literal: str, hint: str, why: str
) -> None:
    block = find(f"A = {literal}  # {hint}\n".encode())
    (problem,) = block.problems
    assert "line 1: A" in problem and why in problem
    assert [constant.hinted for constant in block.constants] in ([], [False])


def test_an_ordinary_comment_is_no_hint() -> None:
    assert find(b"A = 1.0  # the usual one, see page 3..4\n").problems == ()


def test_the_value_of_today_belongs_to_its_range() -> None:
    assert only("A = 9.0  # 1.0 .. 2.0").domain == Range(1.0, 9.0, hinted=True)
    assert only("A = 'z'  # one of: a, b").domain == Choices(("a", "b", "z"), hinted=True)


def test_a_whole_number_in_a_range_of_fractions_is_a_fraction() -> None:
    assert only("DROPOUT = 0  # 0.0 .. 0.5").kind is Kind.FLOAT
    assert only("LAYERS = 2  # 0 .. 4").kind is Kind.INTEGER


@pytest.mark.parametrize(
    ("literal", "low", "high", "log"),
    [
        ("1e-3", 1e-4, 1e-2, True),
        ("2.0", 0.2, 20.0, True),
        ("0.9", 0.6, 0.99, False),
        ("0.1", 0.025, 0.3, False),
        ("0.0", 0.0, 0.5, False),
        ("-2.0", -20.0, -0.2, False),
        ("64", 16, 256, True),
        ("1", 1, 4, False),
        ("0", 0, 4, False),
        ("-8", -32, -2, False),
    ],
)
def test_without_a_hint_the_range_follows_from_the_value(
    literal: str, low: float, high: float, log: bool
) -> None:
    domain = only(f"A = {literal}\n").domain
    assert isinstance(domain, Range)
    assert (domain.low, domain.high) == pytest.approx((low, high))
    assert domain.log is log


@given(st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6))
@settings(max_examples=300)
def test_every_derived_range_holds_its_value_and_room_beside_it(value: float) -> None:
    assume(value == 0 or abs(value) > 1e-12)
    domain = only(f"A = {write(value)}\n").domain
    assert isinstance(domain, Range)
    assert domain.low <= value <= domain.high
    assert domain.low < domain.high
    if 0 < value < 1:
        assert domain.high < 1
    assert 0 <= domain.to_unit(value) <= 1


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.floats(0, 1), st.booleans(), st.booleans())
@settings(max_examples=300)
def test_values_of_a_range_stay_inside_and_read_well(
    low: float, width: float, unit: float, log: bool, whole: bool
) -> None:
    low = abs(low) + 1e-3 if log else low
    if whole:
        low, width = math.ceil(low), math.ceil(width)
    domain = Range(low, low + width, log, whole)
    value = domain.at(unit)
    assert domain.low <= value <= domain.high
    assert isinstance(value, int) == whole
    on_a_bound = value in (domain.low, domain.high)
    assert whole or on_a_bound or len(write(value).strip("-0.").replace(".", "")) <= 8


def test_widths_stay_multiples_of_eight_when_the_block_has_them_so() -> None:
    domain = only("WIDTH = 96  # 32 .. 256, log").domain
    assert isinstance(domain, Range)
    assert all(domain.at(i / 50) % 8 == 0 for i in range(51))


def test_small_even_numbers_do_not_make_the_odd_ones_unreachable() -> None:
    domain = only("SHIFT = 2  # 0 .. 8").domain
    assert isinstance(domain, Range)
    assert {domain.at(i / 50) for i in range(51)} == set(range(9))


@pytest.mark.parametrize(
    ("text", "middle"),
    [("EMA = 0.0  # 0.0 .. 0.99", 0.9), ("BETA = 0.98  # 0.9 .. 0.999", 0.99),
     ("SHARE = 0.1  # 0.0 .. 0.5", 0.25), ("END = 0.9  # 0.8 .. 1.0", 0.9)],
)  # fmt: skip
def test_a_decay_is_stepped_by_what_is_missing_to_one(text: str, middle: float) -> None:
    domain = only(text).domain
    assert isinstance(domain, Range)
    assert domain.at(0.5) == middle
    assert domain.at(0) == domain.low and domain.at(1) == domain.high
    assert domain.to_unit(middle) == pytest.approx(0.5)


# Editing


def test_only_the_literal_changes() -> None:
    values: dict[str, Value] = {
        "RATE": 3.2e-4, "BATCH": 2048, "SHIFT": 0.25, "SCHEDULE": "linear", "PATCH": 12,
        "USE_EMA": False, "WIDTH": 128,
    }  # fmt: skip
    expected = (
        MARKED.replace("= 1e-3 ", "= 3.2e-4 ")
        .replace("1_024", "2_048")
        .replace("= -0.5", "= 0.25")
        .replace('"cosine"  #', '"linear"  #')
        .replace("= 8 ", "= 12 ")
        .replace("= True", "= False")
        .replace("= 96", "= 128")
    )
    assert apply(MARKED.encode(), values).decode() == expected
    assert apply(MARKED.encode(), {}).decode() == MARKED


def test_line_endings_tabs_marks_and_letters_survive() -> None:
    source = "\ufeffA\t=\t1.0\t# é 東京\r\nB = 'ü' ; C = (2)  # 1 .. 4\r\nÄ = 'ö'\r\nD=3".encode()
    edited = apply(source, {"A": 2.5, "C": 3, "D": 40})
    assert edited == (
        source.replace(b"1.0", b"2.5").replace(b"(2)", b"(3)").replace(b"D=3", b"D=40")
    )


def test_comments_that_stand_in_a_column_stay_there() -> None:
    source = """\
A = 1.0          # first
LONGER = 0.0001  # second
B = 5  # free
C = 10           # third
"""
    edited = apply(source.encode(), {"A": 0.125, "LONGER": 0.5, "B": 50, "C": 7})
    assert (
        edited.decode()
        == """\
A = 0.125        # first
LONGER = 0.5     # second
B = 50  # free
C = 7            # third
"""
    )


def test_an_unknown_name_is_a_clear_error() -> None:
    with pytest.raises(NotEditable, match="MISSING"):
        apply(b"A = 1\n", {"MISSING": 2})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.2e-4, "3.2e-4"), (1e-4, "1e-4"), (0.001, "0.001"), (0.05, "0.05"), (2.0, "2.0"),
        (14.0, "14.0"), (123456.0, "123456.0"), (2e7, "2e7"), (-0.5, "-0.5"), (0.0, "0.0"),
        (7, "7"), (True, "True"), ("mean", '"mean"'), ('a"b', "'a\"b'"),
    ],
)  # fmt: skip
def test_literals_read_well(value: Value, text: str) -> None:
    assert write(value) == text


VALUES = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)


@given(VALUES)
@settings(max_examples=500)
def test_a_written_value_means_exactly_itself(value: Value) -> None:
    back = ast.literal_eval(write(value))
    assert back == value and type(back) is type(value)
    assert "\n" not in write(value)


@st.composite
def scripts(draw: st.DrawFn) -> tuple[bytes, dict[str, Value]]:
    """A script with odd formatting, and new values of the same types for some constants."""
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    lines, new = ["# ü", "import os"], {}
    for index in range(draw(st.integers(1, 6))):
        name = f"NAME_{index}"
        old, other = draw(VALUES), draw(VALUES)
        space = draw(st.sampled_from([" ", "", "\t", "  "]))
        comment = draw(st.sampled_from(["", "# é", "  # 東京", "      # x", "\t#y", " ; z = 1"]))
        lines.append(f"{name}{space}={space}{write(old)}{comment}")
        if type(old) is type(other) and draw(st.booleans()) and not isinstance(old, str):
            new[name] = other
    lines += draw(st.lists(st.sampled_from(["", "y = 1", "# NAME_0 = 9"]), max_size=2))
    return ending.join(lines).encode(), new


@given(scripts())
@settings(max_examples=300)
def test_an_edit_gives_the_values_back_and_leaves_the_rest(
    case: tuple[bytes, dict[str, Value]],
) -> None:
    source, new = case
    before = find(source).values
    assume(new.keys() <= before.keys())
    edited = apply(source, new)
    after = find(edited).values
    assert {name: repr(after[name]) for name in new} == {n: repr(v) for n, v in new.items()}
    for old_line, new_line in zip(
        source.splitlines(keepends=True), edited.splitlines(keepends=True), strict=True
    ):
        name = old_line.partition(b"=")[0].strip().decode()
        if name not in new:
            assert new_line == old_line
            continue
        old_text, new_text = write(before[name]).encode(), write(new[name]).encode()
        equals = old_line.index(b"=")
        start = old_line.index(old_text, equals)
        head, tail = old_line[:start], old_line[start + len(old_text) :]
        assert new_line.startswith(head + new_text)
        assert new_line.removeprefix(head + new_text).lstrip(b" ") == tail.lstrip(b" ")
    assert {n: v for n, v in after.items() if n not in new} == {
        n: v for n, v in before.items() if n not in new
    }
