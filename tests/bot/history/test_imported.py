from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.history.imported import NotResults, Row, Status, parse, read, write

RESULTS = (
    "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    "a1b2c3d\t0.997900\t44.0\tkeep\tbaseline\n"
    "b2c3d4e\t1.005000\t44.0\tDISCARD \tswitch to GeLU\n"
    "d4e5f6g\t0.000000\t0.0\tcrash\tdouble width (OOM)\n"
)


def test_a_history_is_read() -> None:
    rows = parse(RESULTS.encode(), "results.tsv")
    assert rows[0] == Row("a1b2c3d", 0.9979, 44.0, Status.KEEP, "baseline")
    assert rows[1].status is Status.DISCARD
    assert rows[2].value is None  # the zero of a crash is no result


def test_columns_may_come_in_another_order_and_with_others() -> None:
    text = "description\tstatus\tval_bpb\tnotes\r\nfirst\tkeep\t1.5\tx\r\n"
    (row,) = parse(text.encode(), "r")
    assert (row.description, row.value, row.memory_gb, row.commit) == ("first", 1.5, None, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the column val_bpb is missing"),
        ("commit,val_bpb,memory_gb,status,description\n", "line 1: the column val_bpb"),
        (RESULTS.splitlines()[0], "no experiment"),
        (RESULTS + "x\t1\t1\tkeep\n", "line 5: 4 columns, expected are 5"),
        (RESULTS + "x\tfast\t1\tkeep\td\n", "line 5: val_bpb 'fast' is no finite number"),
        (RESULTS + "x\tnan\t1\tkeep\td\n", "no finite number"),
        (RESULTS + "x\t1\t1\tmaybe\td\n", "line 5: status 'maybe' is not keep"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(text: str, problem: str) -> None:
    with pytest.raises(NotResults, match=problem):
        parse(text.encode(), "results.tsv")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(NotResults, match="byte 0 is no UTF-8"):
        parse(b"\xff\xfe", "r")
    assert read(b"\xff\xfe") == ()


@given(
    st.lists(
        st.builds(
            Row,
            commit=st.text(alphabet="0123456789abcdef", max_size=7),
            value=st.none() | st.floats(1e-3, 1e3).map(lambda value: float(f"{value:.10g}")),
            memory_gb=st.floats(0, 99).map(lambda value: round(value, 1)),
            status=st.sampled_from([Status.KEEP, Status.DISCARD]),
            description=st.text(alphabet="abc <>|`", max_size=20).map(
                lambda t: " ".join(t.split())
            ),
        ).map(lambda row: row if row.value is not None else Row("x", 1.0, 0.0, row.status, "d")),
        min_size=1,
    )
)
def test_what_is_written_is_read_again(rows: list[Row]) -> None:
    assert list(read(write(rows))) == rows


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    assert isinstance(read(data), tuple)
