from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bot.git import Repository
from bot.policy.inspection import MOST_VIOLATIONS, check_change
from bot.policy.violation import Rule
from bot.settings import parse
from tests.bot.lab import TRAIN, git, make_repository

SETTINGS = parse(b"")
EDIT = TRAIN.replace("1.0", "2.0").encode()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(make_repository(tmp_path / "project"))


def commit(repository: Repository, entries: dict[bytes, tuple[str, bytes]]) -> str:
    """A commit on main with these files in it: path to (mode, content or object id)."""
    lines = []
    for path, (mode, content) in entries.items():
        made = content.decode() if mode == "160000" else repository.write_blob(content)
        lines.append(f"{mode} {made}\t".encode() + path + b"\0")
    place = ["git", "-C", str(repository.path)]
    subprocess.run([*place, "read-tree", "main"], check=True)
    subprocess.run(
        [*place, "update-index", "-z", "--add", "--index-info"], input=b"".join(lines), check=True
    )
    tree = git(repository.path, "write-tree")
    subprocess.run([*place, "read-tree", "main"], check=True)
    return git(repository.path, "commit-tree", tree, "-p", "main", "-m", "x")


def judged(repository: Repository, head: str) -> set[Rule]:
    return {violation.rule for violation in check_change(repository, "main", head, SETTINGS)}


def test_an_edit_of_the_listed_file_is_allowed(repository: Repository) -> None:
    assert judged(repository, commit(repository, {b"train.py": ("100644", EDIT)})) == set()


@pytest.mark.parametrize(
    ("path", "mode", "content", "rule"),
    [
        (b"train.py", "120000", b"/etc/passwd", Rule.SYMLINK),
        (b"train.py", "100755", EDIT, Rule.MODE_CHANGE),
        (b"train.py", "160000", b"1" * 40, Rule.SUBMODULE),
        (b".gitattributes", "100644", b"train.py -diff\n", Rule.PATH_NOT_ALLOWED),
        (b".gitattributes", "100644", b"* filter=x working-tree-encoding=UTF-16\n", None),
        (b".github/workflows/x.yml", "100644", b"on: push\n", Rule.PATH_NOT_ALLOWED),
        (b"Train.py", "100644", EDIT, Rule.PATH_CASE),
        (b"tr\xffin.py", "100644", EDIT, Rule.ODD_PATH),
        (b"a\nb.py", "100644", EDIT, Rule.ODD_PATH),
        (b"train.py", "100644", EDIT.replace(b"\n", b"\r\n"), Rule.LINE_ENDINGS),
        (b"train.py", "100644", b"\0\1\2" * 100, Rule.BINARY),
        (b"train.py", "100644", b"x = 1\n" * 100_000, Rule.TOO_LARGE),
        (b"train.py", "100644", b"return 1\n", Rule.DOES_NOT_PARSE),
        (b"train.py", "100644", b"x = 0x" + b"f" * 5_000 + b"\n", Rule.DOES_NOT_PARSE),
    ],
)
def test_a_hostile_tree_is_refused(
    repository: Repository, path: bytes, mode: str, content: bytes, rule: Rule | None
) -> None:
    found = judged(repository, commit(repository, {path: (mode, content)}))
    assert (rule or Rule.PATH_NOT_ALLOWED) in found


def test_a_rename_is_refused(repository: Repository) -> None:
    git(repository.path, "switch", "-q", "-c", "moved")
    git(repository.path, "mv", "train.py", "other.py")
    git(repository.path, "commit", "-q", "-m", "Move")
    assert judged(repository, "moved") == {Rule.DELETION, Rule.PATH_NOT_ALLOWED}


def test_attributes_of_a_checked_out_branch_hide_nothing(repository: Repository) -> None:
    """Git reads them from the working tree, whatever is compared."""
    (repository.path / ".gitattributes").write_text("train.py -diff filter=x eol=crlf\n")
    bad = commit(repository, {b"train.py": ("100644", b"def broken(:\n")})
    assert judged(repository, bad) != set()


def test_a_change_of_nothing_is_refused(repository: Repository) -> None:
    assert judged(repository, commit(repository, {})) == {Rule.EMPTY_DIFF}


def test_a_huge_file_is_named_and_never_read(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reads(*_: object) -> bytes:
        pytest.fail("the contents were asked for")

    monkeypatch.setattr(Repository, "diff", reads)
    monkeypatch.setattr(Repository, "read_files", reads)
    large = b"x" * 300_000
    elsewhere = commit(repository, {b"data.bin": ("100644", large)})
    (violation,) = check_change(repository, "main", elsewhere, SETTINGS)
    assert (violation.path, violation.rule) == ("data.bin", Rule.PATH_NOT_ALLOWED)
    listed = commit(repository, {b"train.py": ("100644", large)})
    (violation,) = check_change(repository, "main", listed, SETTINGS)
    assert (violation.path, violation.rule) == ("train.py", Rule.TOO_LARGE)
    assert "300000 bytes" in violation.message


def test_of_many_violations_some_are_named(repository: Repository) -> None:
    files = {f"{n}.txt".encode(): ("100644", b"x") for n in range(100)}
    found = check_change(repository, "main", commit(repository, files), SETTINGS)
    assert len(found) == MOST_VIOLATIONS
