from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.history.fingerprint import Earlier, code_tokens, constants_vector, exact, near

SOURCE = b'''\
"""A script."""
import math

# --- constants (tunable) ---
LEARNING_RATE = 1e-3  # 1e-4 .. 1e-2, log
WIDTH = 64  # 16 .. 256, log
POOL = "mean"  # one of: "mean", "max"
# --- end of constants ---


def model(x):
    """Doc."""
    y = x * WIDTH  # scale
    return y + 1
'''


def changed(old: bytes, new: bytes, source: bytes = SOURCE) -> dict[str, bytes]:
    assert old in source
    return {"train.py": source.replace(old, new)}


BASE = {"train.py": SOURCE}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"  # scale", b"  # another comment"),
        (b"return y + 1", b"return (y\n            +   1)"),
        (b"1e-3 ", b"0.001 "),
        (b'"mean"  #', b"'mean'  #"),
        (b'"""Doc."""', b'"""Other words."""'),
        (b'"""A script."""\n', b""),
        (b"\n\n\ndef", b"\n\n\n# new\n\n\ndef"),
        (b"1e-4 .. 1e-2", b"1e-5 .. 1e-1"),
        (b"\n", b"\r\n"),
    ],
)
def test_comments_and_formatting_make_no_new_experiment(old: bytes, new: bytes) -> None:
    assert exact(changed(old, new)) == exact(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1e-3 ", b"1e-4 "),
        (b"= 64", b"= 64.0"),
        (b"= 64", b"= True"),
        (b"y + 1", b"y - 1"),
        (b"x * WIDTH", b"WIDTH * x"),
        (b"return y", b"return x"),
        (b"math", b"cmath"),
        (b"    return", b"    y += 1\n    return"),
        (b'"mean"  #', b'b"mean"  #'),
    ],
)
def test_other_code_is_another_experiment(old: bytes, new: bytes) -> None:
    assert exact(changed(old, new)) != exact(BASE)


def test_structure_is_not_lost_when_the_tree_is_written_down() -> None:
    pairs = [
        (b"f(a, b)", b"f(a)(b)"),
        (b"[a, [b]]", b"[[a], b]"),
        (b"if a:\n    b\nc", b"if a:\n    b\n    c"),
        (b"if a:\n    b\nelse:\n    c", b"if a:\n    b\n    c"),
        (b"{**a}", b"{None: a}"),
        (b"x = None", b"x = 'None'"),
        (b"def f(a, /): a", b"def f(a): a"),
        (b"def f(a, *, b): a", b"def f(a, b): a"),
        (b"x: int = 1", b"x = 1"),
        (b"a[1:]", b"a[:1]"),
        (b"f'{a}'", b"f'{a!r}'"),
    ]
    for first, second in pairs:
        assert exact({"a.py": first}) != exact({"a.py": second}), (first, second)


def test_names_of_files_and_their_borders_count() -> None:
    assert exact({"a.py": b"x"}) != exact({"b.py": b"x"})
    assert exact({"a": b"xy", "b": b""}) != exact({"a": b"x", "b": b"y"})
    assert exact({"a": b"1", "b": b"2"}) == exact({"b": b"2", "a": b"1"})


def test_other_languages_and_broken_python_are_compared_by_bytes() -> None:
    for path, content in (("a.yaml", b"a: 1"), ("a.py", b"def ("), ("a.py", b"x = " + b"-" * 9999)):
        assert exact({path: content}) == exact({path: content})
        assert exact({path: content}) != exact({path: content + b" "})


@given(st.binary(max_size=200) | st.text(alphabet="x=()'\"#\n 1:+[]", max_size=60).map(str.encode))
def test_no_content_raises(content: bytes) -> None:
    files = {"train.py": content}
    assert exact(files) == exact(dict(files))
    assert code_tokens(content) >= 0
    assert isinstance(constants_vector(files, "train.py"), dict)
    near(files, BASE, "train.py", [Earlier(1, files), Earlier(2, BASE, files)])


def test_the_vector_holds_the_tunable_constants() -> None:
    vector = {"LEARNING_RATE": 1e-3, "WIDTH": 64, "POOL": "mean"}
    assert constants_vector(BASE, "train.py") == vector
    assert constants_vector(BASE, "other.py") == {}


# Size


def test_comments_docstrings_and_blank_lines_have_no_size() -> None:
    plain = b"def f(x):\n    return x + 1\n"
    rich = b'# c\n\n\ndef f(x):  # c\n    """Doc string."""\n    # c\n    return (x\n  + 1)\n'
    assert code_tokens(rich) == code_tokens(plain) + 2  # the parentheses
    assert code_tokens(b"") == code_tokens(b"# only words\n\n") == 0


def test_more_code_is_larger() -> None:
    assert code_tokens(SOURCE + b"z = 1\n") > code_tokens(SOURCE)


def test_code_that_moves_into_a_text_keeps_its_size() -> None:
    body = b"a = b + c * d\n" * 20
    hidden = b"exec('''" + body + b"''')\n"
    assert code_tokens(hidden) >= code_tokens(body)


def test_files_that_are_not_python_have_a_size_too() -> None:
    assert code_tokens(b"def (") == 2


# Near experiments


def test_the_same_constant_at_a_near_value_ranks_before_a_far_one() -> None:
    new = changed(b"1e-3 ", b"3e-3 ")
    earlier = [
        Earlier(1, changed(b"1e-3 ", b"1e-4 ")),
        Earlier(2, changed(b"1e-3 ", b"3.1e-3 ")),
        Earlier(3, changed(b"= 64", b"= 128")),
        Earlier(4, changed(b"1e-3 ", b"3e-3 ")),
    ]
    found = near(new, BASE, "train.py", earlier, at_least=0.1)
    assert [item.number for item in found] == [4, 2, 1]
    assert found[0].similarity == 1.0
    assert "LEARNING_RATE" in found[0].why


def test_a_change_is_measured_from_the_base_of_its_time() -> None:
    """After a merge the old base differs from today's in more than the experiment's own change."""
    today = changed(b"= 64", b"= 128")
    new = changed(b"1e-3 ", b"3e-3 ", today["train.py"])
    old = Earlier(1, changed(b"1e-3 ", b"3e-3 "), BASE)
    (item,) = near(new, today, "train.py", [old])
    assert item.similarity == 1.0


def test_like_edits_of_code_are_near_and_unlike_ones_are_not() -> None:
    new = changed(b"y + 1", b"torch.relu(y) + 1")
    earlier = [
        Earlier(1, changed(b"    return y + 1", b"    return torch.relu(y)  +  1  # try")),
        Earlier(2, changed(b"y = x * WIDTH", b"y = [dropout(z) for z in range(7)]")),
        Earlier(3, BASE),
    ]
    found = near(new, BASE, "train.py", earlier)
    assert [item.number for item in found] == [1]
    assert found[0].similarity == 1.0


def test_the_number_of_near_experiments_is_bounded() -> None:
    earlier = [Earlier(n, changed(b"= 64", b"= %d" % (64 + n))) for n in range(1, 20)]
    found = near(changed(b"= 64", b"= 70"), BASE, "train.py", earlier, limit=3)
    assert found[0].number == 6
    assert len(found) == 3


@given(st.integers(16, 256), st.integers(16, 256))
@settings(max_examples=30)
def test_similarity_is_between_0_and_1_and_1_only_for_the_same_change(a: int, b: int) -> None:
    new, old = changed(b"= 64", b"= %d" % a), changed(b"= 64", b"= %d" % b)
    for item in near(new, BASE, "train.py", [Earlier(1, old)], at_least=0.0):
        assert 0.0 <= item.similarity <= 1.0
        assert (item.similarity == 1.0) >= (a == b and a != 64)


@pytest.mark.parametrize("digits", [b"0x" + b"f" * 6_000, b"0b" + b"1" * 20_000, b"1" * 6_000])
def test_a_number_that_python_cannot_write_out_breaks_nothing(digits: bytes) -> None:
    source = b"# --- constants (tunable) ---\nRATE = " + digits + b"\n# --- end of constants ---\n"
    files = {"train.py": source}
    assert exact(files) != exact({"train.py": source + b"x = 1\n"})
    assert constants_vector(files, "train.py") == {}
    assert code_tokens(source) > 0
    old = {"train.py": source.replace(b"RATE", b"OTHER")}
    near(files, old, "train.py", [Earlier(1, old)])


@given(
    st.lists(
        st.sampled_from(
            [
                *("0x" + "f" * 5_000, "1e999", "9" * 400, "-" * 300, "[" * 150, "(", ")", "'"),
                *("RATE", " = ", "\n", "    ", "\x00", "\ud800", "lambda: ", "# range: 1..9"),
                *("f'{", "}'"),
            ]
        ),
        max_size=12,
    )
)
def test_no_source_at_all_breaks_it(parts: list[str]) -> None:
    block = "# --- constants (tunable) ---\nRATE = 1\n" + "".join(parts)
    files = {"train.py": block.encode("utf-8", "surrogatepass")}
    assert len(exact(files)) == 64
    constants_vector(files, "train.py")
    assert code_tokens(files["train.py"]) >= 0
    base = {"train.py": b"# --- constants (tunable) ---\nRATE = 2\n# --- end of constants ---\n"}
    near(files, base, "train.py", [Earlier(1, files), Earlier(2, base)])
