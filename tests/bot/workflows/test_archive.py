from __future__ import annotations

import contextlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflows.archive import LARGEST_ARCHIVE, BadArchive, read_one

NAME = "measurement.json"


def zipped(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def refused(data: bytes, largest: int = 1_000) -> str:
    with pytest.raises(BadArchive) as caught:
        read_one(data, NAME, largest)
    return str(caught.value)


def test_the_one_file_is_read() -> None:
    assert read_one(zipped((NAME, b"{}")), NAME, 2) == b"{}"


def test_other_files_beside_it_are_not_looked_at() -> None:
    data = zipped(("../../etc/passwd", b"x"), (NAME, b"{}"), ("/abs", b"y" * 10_000_000))
    assert read_one(data, NAME, 100) == b"{}"


@pytest.mark.parametrize(
    "name", ["../measurement.json", "/measurement.json", "a/../measurement.json", "x",
             "measurement.json/", "MEASUREMENT.JSON", "..\\measurement.json"],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_not_the_file(name: str) -> None:
    assert "0 files" in refused(zipped((name, b"{}")))


def test_a_huge_file_in_a_small_archive_is_refused() -> None:
    data = zipped((NAME, bytes(100_000_000)))
    assert len(data) < LARGEST_ARCHIVE
    assert "more than 1,000 bytes" in refused(data)


def test_a_size_that_is_told_too_small_is_not_believed() -> None:
    data = bytearray(zipped((NAME, b"x" * 5_000)))
    for place in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[place : place + 4] = (10).to_bytes(4, "little")
    refused(bytes(data))


def test_two_files_of_the_same_name_are_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped((NAME, b"{}"), (NAME, b"[]"))
    assert "2 files" in refused(data)


def test_thousands_of_files_are_refused() -> None:
    assert "files" in refused(zipped(*((str(number), b"") for number in range(2_000))))


def test_an_encrypted_file_is_refused() -> None:
    data = bytearray(zipped((NAME, b"{}")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refused(bytes(data))


def test_an_unusual_compression_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(NAME, b"{}")
    assert "compressed" in refused(buffer.getvalue())


def test_an_archive_that_is_too_large_is_not_opened() -> None:
    assert "more than" in refused(b"PK" + bytes(LARGEST_ARCHIVE))


@given(st.binary(max_size=200), st.integers(0, 200), st.binary(max_size=4))
def test_a_damaged_archive_is_one_clear_error_or_the_file(
    noise: bytes, place: int, other: bytes
) -> None:
    good = zipped((NAME, b"{}" * 50))
    for data in (noise, good[:place] + other + good[place + len(other) :], good[:place]):
        with contextlib.suppress(BadArchive):
            assert len(read_one(data, NAME, 1_000)) <= 1_000
