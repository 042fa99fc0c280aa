from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runner.candidate import lay_out, read_folder, read_tree
from runner.errors import RequestError
from runner.settings import CandidateTable

TABLE = CandidateTable(paths=["train.py", "model/net.py"], max_bytes=100)


def git(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull}
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("print(1)\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "net.py").write_bytes(b"\x00\r\n")
    (tmp_path / "secret.txt").write_text("not allowed")
    return tmp_path


def tree_of(repository: Path) -> str:
    git(repository, "add", "-A")
    return git(repository, "write-tree")


def test_the_allowed_files_and_nothing_else_are_read_from_a_tree(repository: Path) -> None:
    files = read_tree(repository, tree_of(repository), TABLE)
    assert files == {"train.py": b"print(1)\n", "model/net.py": b"\x00\r\n"}


def test_a_folder_gives_the_same_files_as_its_tree(repository: Path) -> None:
    assert read_folder(repository, TABLE) == read_tree(repository, tree_of(repository), TABLE)


def test_a_single_file_is_taken_for_the_entry(repository: Path) -> None:
    (repository / "other.py").write_text("print(2)\n")
    assert read_folder(repository / "other.py", TABLE) == {"train.py": b"print(2)\n"}


def test_an_allowed_file_may_be_absent_but_not_the_entry(repository: Path) -> None:
    (repository / "model" / "net.py").unlink()
    assert set(read_tree(repository, tree_of(repository), TABLE)) == {"train.py"}
    (repository / "train.py").unlink()
    with pytest.raises(RequestError, match=r"has no train\.py"):
        read_tree(repository, tree_of(repository), TABLE)


@pytest.mark.parametrize("kind", ["link", "folder", "large", "pipe"])
def test_only_regular_files_within_the_limit_are_read(repository: Path, kind: str) -> None:
    entry = repository / "train.py"
    entry.unlink()
    match kind:
        case "link":
            entry.symlink_to("/etc/passwd")
        case "folder":
            entry.mkdir()
            (entry / "x").touch()
        case "large":
            entry.write_bytes(b"#" * 101)
        case "pipe":
            os.mkfifo(entry)
    with pytest.raises(RequestError, match=r"train\.py"):
        read_folder(repository, TABLE)
    if kind != "pipe":
        with pytest.raises(RequestError, match=r"train\.py"):
            read_tree(repository, tree_of(repository), TABLE)


@pytest.mark.parametrize("target", ["elsewhere", "/etc"])
def test_a_folder_that_is_a_link_is_not_followed(repository: Path, target: str) -> None:
    (repository / "model").rename(repository / "elsewhere")
    (repository / "model").symlink_to(target)
    with pytest.raises(RequestError, match=r"model/net\.py.*links are not followed"):
        read_folder(repository, TABLE)


def test_an_unknown_tree_is_a_clear_error(repository: Path) -> None:
    with pytest.raises(RequestError, match="ls-tree failed"):
        read_tree(repository, "0" * 40, TABLE)


def test_names_with_odd_characters_in_the_tree_do_no_harm(repository: Path) -> None:
    for name in ("tab\tname", "line\nname", "-flag", "\udcff.py"):
        (repository / name).touch()
    assert "train.py" in read_tree(repository, tree_of(repository), TABLE)


def test_files_are_laid_out_byte_for_byte(tmp_path: Path) -> None:
    files = {"train.py": b"a\r\nb", "model/net.py": b"\x00"}
    folder = lay_out(files, tmp_path / "candidate")
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.py")}
    assert found == files


def test_a_tree_cannot_name_a_file_outside_of_the_candidate(repository: Path) -> None:
    blob = git(repository, "hash-object", "-w", "secret.txt")
    tree = made(repository, f"100644 blob {blob}\tescaped.py")
    for name in ("..", "..", "needed"):
        tree = made(repository, f"040000 tree {tree}\t{name}", f"100644 blob {blob}\ttrain.py")
    table = CandidateTable(needs=["needed"])
    with pytest.raises(RequestError, match="odd name"):
        read_tree(repository, tree, table)


def made(repository: Path, *entries: str) -> str:
    """A tree of exactly these entries, whatever their names."""
    listed = b"".join(
        _raw(facts, name)
        for facts, name in sorted((entry.split("\t") for entry in entries), key=lambda e: e[1])
    )
    done = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        cwd=repository, input=listed, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode().strip()


def _raw(facts: str, name: str) -> bytes:
    mode, _, blob = facts.split()
    return f"{mode.lstrip('0')} {name}".encode() + b"\0" + bytes.fromhex(blob)
