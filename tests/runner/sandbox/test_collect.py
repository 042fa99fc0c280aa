from __future__ import annotations

import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sandbox.base import Limits
from runner.sandbox.collect import OutputRefused, collect, prepare

LIMITS = Limits(wall_s=1, output_bytes=1000, output_files=10)


def taken(source: Path, target: Path, limits: Limits = LIMITS) -> dict[str, bytes]:
    prepare(target)
    descriptor = os.open(source, os.O_PATH | os.O_DIRECTORY)
    try:
        collect(descriptor, target, limits)
    finally:
        os.close(descriptor)
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_exactly_as_much_as_allowed_is_taken(source: Path, tmp_path: Path) -> None:
    (source / "a").write_bytes(b"x" * 600)
    (source / "b").write_bytes(b"y" * 400)
    assert taken(source, tmp_path / "t") == {"a": b"x" * 600, "b": b"y" * 400}


def test_one_byte_more_is_refused_and_nothing_stays(source: Path, tmp_path: Path) -> None:
    (source / "a").write_bytes(b"x" * 600)
    (source / "b").write_bytes(b"y" * 401)
    with pytest.raises(OutputRefused, match="more than 1000 bytes"):
        taken(source, tmp_path / "t")
    assert list((tmp_path / "t").iterdir()) == []


def test_a_file_that_claims_to_be_smaller_than_it_is_is_still_bounded(tmp_path: Path) -> None:
    # Files of /proc state a size of 0 and go on for as long as one reads.
    with pytest.raises(OutputRefused):
        taken(Path("/proc/self/attr"), tmp_path / "t", Limits(wall_s=1, output_bytes=0))


def test_folders_count_as_files(source: Path, tmp_path: Path) -> None:
    for number in range(11):
        (source / f"d{number}").mkdir()
    with pytest.raises(OutputRefused, match="more than 10 files and folders"):
        taken(source, tmp_path / "t")


def test_a_target_that_is_not_empty_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/old").touch()
    with pytest.raises(ValueError, match="not empty"):
        taken(source, tmp_path / "t")


@given(
    name=st.text(min_size=1, max_size=40).filter(
        lambda n: "/" not in n and "\0" not in n and n not in (".", "..")
    )
)
def test_only_plain_names_are_taken(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("names")
    source = folder / "s"
    source.mkdir()
    try:
        (source / name).write_bytes(b"x")
    except (OSError, UnicodeEncodeError):
        return  # no file can have this name
    plain = set(name) <= set(string.ascii_letters + string.digits + "_.+=@- ")
    if plain and name[0] not in ".+=@- " and not name.endswith(" "):
        assert taken(source, folder / "t") == {name: b"x"}
    else:
        with pytest.raises(OutputRefused, match="not plain"):
            taken(source, folder / "t")
