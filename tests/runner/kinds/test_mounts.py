from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.errors import DataError
from runner.kinds import mounts
from runner.task_tables import MountTable


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"1")
    (folder / "deep" / "b").write_bytes(b"22")
    (folder / "link").symlink_to("a")
    return folder


def digest(tmp_path: Path, *sources: str, cache: str = "cache") -> str:
    tables = [MountTable(source=source) for source in sources or ("data",)]
    found = mounts.find(tmp_path, tables, tmp_path / cache)
    return mounts.digest(found, tmp_path / cache)


@pytest.mark.parametrize("change", ["content", "name", "more", "link", "place"])
def test_whatever_differs_in_the_data_shows(data: Path, tmp_path: Path, change: str) -> None:
    before = digest(tmp_path)
    match change:
        case "content":
            (data / "deep" / "b").write_bytes(b"23")
        case "name":
            (data / "a").rename(data / "c")
        case "more":
            (data / "deep" / "d").touch()
        case "link":
            (data / "link").unlink()
            (data / "link").symlink_to("deep/b")
        case "place":
            assert digest(tmp_path, "data/deep") != before
            return
    assert digest(tmp_path) != before


def test_equal_data_has_one_digest_wherever_it_was_read(data: Path, tmp_path: Path) -> None:
    first = digest(tmp_path)
    for path in (data / "a", data / "deep" / "b"):
        os.utime(path, (1, 1))
    assert digest(tmp_path) == digest(tmp_path, cache="another") == first


def test_a_digest_is_kept_and_a_damaged_one_made_again(data: Path, tmp_path: Path) -> None:
    first = digest(tmp_path)
    (kept,) = (tmp_path / "cache" / "mounts").iterdir()
    kept.write_text("f" * 64)
    assert digest(tmp_path) != first
    kept.write_text("nonsense")
    assert digest(tmp_path) == first


def test_one_file_is_data_too(data: Path, tmp_path: Path) -> None:
    before = digest(tmp_path, "data/a")
    (data / "a").write_bytes(b"2")
    assert digest(tmp_path, "data/a") != before


def test_data_that_holds_prepared_secrets_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="and with it"):
        digest(tmp_path, "data", cache="data/cache")


@pytest.mark.parametrize(
    "source", [".git", ".git/hooks", "cache", "cache/data/small/private", "home", "."]
)
def test_no_part_of_what_is_private_is_shown(
    data: Path, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in (".git/hooks", "cache/data/small/private", "home/data"):
        (tmp_path / name).mkdir(parents=True)
    table = MountTable(source=source, target="shown")
    with pytest.raises(DataError, match="and with it"):
        mounts.find(tmp_path, [table], tmp_path / "cache")
    assert digest(tmp_path, "home/data") != digest(tmp_path, "data")


def test_a_pipe_among_the_data_is_told_and_not_waited_for(data: Path, tmp_path: Path) -> None:
    os.mkfifo(data / "pipe")
    with pytest.raises(DataError, match="no regular file"):
        digest(tmp_path)
