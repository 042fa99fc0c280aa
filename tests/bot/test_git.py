"""Plumbing does what it says whatever the paths, the environment and the user's settings are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.git import (
    Conflicts,
    Create,
    Delete,
    GitError,
    GitFailed,
    GitLocked,
    GitMissing,
    Identity,
    NoIdentity,
    NotARepository,
    RefChange,
    RefMoved,
    Repository,
    Update,
    Verify,
)
from bot.git import process as process_module
from bot.git.batch import read_objects

ADA = Identity("Ada", "ada@example.org")
ODD_PATH = os.fsdecode(b'd\xff/new\nline "q" \'$(x)')

# Settings of a user that would change what commands mean, if they were listened to.
TROUBLE = """
[core]
	hooksPath = {hooks}
	fsync = none
	autocrlf = true
	quotePath = false
	pager = false
	attributesFile = {attributes}
	fsmonitor = {hooks}/fsmonitor
	splitIndex = true
	commentChar = o
[commit]
	gpgSign = true
	cleanup = strip
[gpg]
	program = false
[diff]
	external = false
	noprefix = true
	mnemonicPrefix = true
	renames = copies
	context = 0
	interHunkContext = 5
	algorithm = patience
	orderFile = {attributes}
	submodule = log
	suppressBlankEmpty = true
	relative = true
[diff "own"]
	command = false
	textconv = false
[color]
	ui = always
[log]
	showSignature = true
[i18n]
	commitEncoding = ISO-8859-1
	logOutputEncoding = UTF-16
[merge]
	renames = false
	conflictStyle = zdiff3
	ff = false
[trailer]
	separators = "#"
[safe]
	bareRepository = explicit
[status]
	showUntrackedFiles = no
	relativePaths = true
	short = true
[push]
	default = nothing
"""


@pytest.fixture(autouse=True)
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "gitconfig"
    file.write_text("[core]\n\tfsync = none\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    return file


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    person(path, "init", "-q", "-b", "main")
    person(path, "config", "user.name", "Lab")
    person(path, "config", "user.email", "lab@example.org")
    (path / "train.py").write_bytes(b"one\ntwo\n\nthree\n")
    (path / "tool.sh").write_bytes(b"#!/bin/sh\n")
    (path / "tool.sh").chmod(0o755)
    (path / "folder").mkdir()
    (path / "folder" / "link").symlink_to("../train.py")
    person(path, "add", ".")
    person(path, "commit", "-q", "-m", "First")
    return path


@pytest.fixture
def repository(place: Path) -> Repository:
    return Repository.discover(place / "folder")


@pytest.fixture
def trouble(settings_file: Path, tmp_path: Path, repository: Repository) -> Iterator[Path]:
    """Turns every troublesome setting on; any hook that runs leaves a file."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    names = (
        "reference-transaction",
        "post-index-change",
        "fsmonitor",
        "post-checkout",
        "pre-commit",
    )
    for name in names:
        (hooks / name).write_text(f"#!/bin/sh\ntouch {hooks}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    attributes = tmp_path / "attributes"
    attributes.write_text("*.py diff=own -text\ntrain.py binary\n")
    settings_file.write_text(TROUBLE.format(hooks=hooks, attributes=attributes))
    yield hooks
    assert not (hooks / "ran").exists()


def person(place: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=place, check=True, capture_output=True)
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def head(repository: Repository) -> str:
    commit = repository.resolve("HEAD")
    assert commit is not None
    return commit


def commit(repository: Repository, files: dict[str, bytes | None], parent: str) -> str:
    tree = repository.tree_with(parent, files)
    return repository.commit_tree(tree, [parent], "Work", ADA, 1_700_000_000)


# Discovery


def test_discover_finds_the_top_of_the_working_tree(repository: Repository, place: Path) -> None:
    assert repository.path == place.resolve()


def test_discover_outside_a_repository_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="git init"):
        Repository.discover(tmp_path)


def test_discover_in_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="no folder"):
        Repository.discover(tmp_path / "missing")


def test_discover_in_a_bare_repository_says_what_to_do(tmp_path: Path) -> None:
    person(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(NotARepository, match="bare"):
        Repository.discover(tmp_path / "bare")


def test_discover_without_a_commit_says_what_to_do(tmp_path: Path) -> None:
    person(tmp_path, "init", "-q", "empty")
    with pytest.raises(GitError, match="git commit"):
        Repository.discover(tmp_path / "empty")


def test_a_missing_git_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(GitMissing, match=r"2\.38"):
        Repository.discover(place)


def test_an_old_git_is_named(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\necho git version 2.37.9\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(GitMissing, match=r"2\.37\.9"):
        Repository.discover(place)


def test_variables_of_a_hook_do_not_lead_astray(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = head(repository)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    monkeypatch.setenv("GIT_TRACE", "1")
    assert head(repository) == before
    assert commit(repository, {"x": b"x"}, before)


# Objects


def test_files_are_read_as_they_are_stored(repository: Repository) -> None:
    tree = repository.tree_with(head(repository), {ODD_PATH: b"\x00\r\n\xff", "empty": b""})
    wanted = ["train.py", ODD_PATH, "empty", "missing", "no\nsuch", "folder", "train.py/x"]
    assert repository.read_files(tree, wanted) == {
        "train.py": b"one\ntwo\n\nthree\n",
        ODD_PATH: b"\x00\r\n\xff",
        "empty": b"",
        "missing": None,
        "no\nsuch": None,
        "folder": None,
        "train.py/x": None,
    }


def test_many_and_large_files_are_read_by_one_process(repository: Repository) -> None:
    files: dict[str, bytes | None] = {f"f{i}": bytes([i]) * 300_000 for i in range(40)}
    tree = repository.tree_with(head(repository), files)
    assert repository.read_files(tree, files) == files


def test_objects_above_the_limit_come_without_their_bytes(repository: Repository) -> None:
    large, small = repository.write_blob(b"x" * 3_000_000), repository.write_blob(b"y")
    names = [large.encode(), small.encode()]
    one, other = read_objects(repository.git, names, limit=10)
    assert one is not None and (one.size, one.data) == (3_000_000, None)
    assert other is not None and other.data == b"y"


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "./a", ".git/config", "a\0b"])
def test_a_path_that_no_tree_can_have_is_refused(repository: Repository, path: str) -> None:
    with pytest.raises(GitError):
        repository.read_file(head(repository), path)
    with pytest.raises(GitError):
        repository.tree_with(head(repository), {path: b""})


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(
        st.binary(min_size=1, max_size=12)
        .filter(lambda name: not {0, 47} & set(name) and name.lower().strip(b". ") != b"git")
        .filter(lambda name: name not in {b".", b".."} and b"~" not in name)
        .map(lambda name: os.fsdecode(b"x" + name)),
        st.binary(max_size=200),
        max_size=5,
    )
)
def test_any_file_can_be_written_and_read_again(
    repository: Repository, files: dict[str, bytes]
) -> None:
    tree = repository.tree_with(head(repository), files)
    assert repository.read_files(tree, files) == files
    assert set(repository.changed_paths(head(repository), tree)) == set(files)


def test_tree_with_changes_nothing_else(repository: Repository, place: Path) -> None:
    index = (place / ".git" / "index").read_bytes()
    tree = repository.tree_with(
        head(repository), {"train.py": b"new", "tool.sh": b"x", "folder/link": b"file", "a/b": b"1"}
    )
    listing = person(place, "ls-tree", "-r", tree).split("\n")
    assert [(line[:6], line.split("\t")[1]) for line in listing] == [
        ("100644", "a/b"),
        ("100644", "folder/link"),
        ("100755", "tool.sh"),
        ("100644", "train.py"),
    ]
    assert (place / ".git" / "index").read_bytes() == index
    assert repository.dirty_paths() == ()


def test_tree_with_none_removes_a_file(repository: Repository) -> None:
    tree = repository.tree_with(head(repository), {"train.py": None})
    assert repository.read_file(tree, "train.py") is None


def test_a_commit_says_who_when_and_what(repository: Repository, place: Path) -> None:
    message = "-F /etc/passwd\n\n# kept \N{SNOWMAN}\n\nTrailer: yes\n"
    author = Identity("Ada\n<x>", "a b\n@c")
    made = repository.commit_tree(repository.tree("HEAD"), [head(repository)], message, author, 7)
    assert person(place, "log", "-1", "--format=%an|%ae|%at|%cn|%ce|%ct%n%B", made) == (
        f"Ada x|a b @c|7|Lab|lab@example.org|7\n{message}".rstrip("\n")
    )


@pytest.mark.parametrize("name", ["", "...", "\n", "<>", "\udcff", "\0"])
def test_a_commit_takes_any_name(repository: Repository, name: str) -> None:
    tree = repository.tree("HEAD")
    assert repository.commit_tree(tree, [], "a\0b\udcff", Identity(name, name), 7)


def test_a_missing_identity_names_the_commands(repository: Repository, place: Path) -> None:
    person(place, "config", "--unset", "user.email")
    with pytest.raises(NoIdentity, match=r"git config user\.name"):
        repository.identity()


# Comparing and merging


def test_merge_tree_combines_both_sides(repository: Repository) -> None:
    base = head(repository)
    ours, theirs = commit(repository, {"a": b"a"}, base), commit(repository, {"b": b"b"}, base)
    merged = repository.merge_tree(ours, theirs)
    assert merged == repository.tree_with(base, {"a": b"a", "b": b"b"})


def test_merge_tree_names_the_conflicts(repository: Repository) -> None:
    base = head(repository)
    files = {"train.py": b"ours\n", ODD_PATH: b"ours\n"}
    ours = commit(repository, {**files}, base)
    theirs = commit(repository, dict.fromkeys(files, b"theirs\n"), base)
    merged = repository.merge_tree(ours, theirs)
    assert isinstance(merged, Conflicts)
    assert set(merged.paths) == set(files)


def test_merge_tree_of_unrelated_histories_has_an_answer(repository: Repository) -> None:
    orphan = repository.commit_tree(
        repository.tree_with(head(repository), {"train.py": b"other\n"}), [], "Orphan", ADA, 7
    )
    assert repository.merge_tree(head(repository), orphan) == Conflicts(("train.py",))
    assert repository.merge_base(head(repository), orphan) is None


def test_ancestry(repository: Repository) -> None:
    base = head(repository)
    child = commit(repository, {"a": b"a"}, base)
    assert repository.is_ancestor(base, child) and repository.is_ancestor(child, child)
    assert not repository.is_ancestor(child, base)
    assert repository.merge_base(child, commit(repository, {"b": b"b"}, base)) == base


def test_no_setting_changes_the_diff(
    repository: Repository, settings_file: Path, tmp_path: Path
) -> None:
    old = head(repository)
    files = {"train.py": b"one\n2\n\nthree\n", "copy.py": b"one\ntwo\n\nthree\n", ODD_PATH: b"\0"}
    new = commit(repository, {**files, "tool.sh": None}, old)
    before = repository.diff(old, new)
    attributes = tmp_path / "attributes"
    attributes.write_text("*.py diff=own\ntrain.py binary\n")
    settings_file.write_text(TROUBLE.format(hooks=tmp_path, attributes=attributes))
    assert repository.diff(old, new) == before
    assert b"diff --git a/train.py b/train.py\nindex " in before
    assert b'"b/d\\377/new\\nline' in before
    assert b"GIT binary patch" in before
    assert b"rename" not in before and b"copy from" not in before


@pytest.mark.usefixtures("trouble")
def test_no_setting_changes_objects(repository: Repository, place: Path) -> None:
    base = head(repository)
    made = commit(repository, {"train.py": b"a\r\nb\n"}, base)
    assert repository.read_file(made, "train.py") == b"a\r\nb\n"
    assert b"gpgsig" not in subprocess.check_output(["git", "cat-file", "commit", made], cwd=place)
    message = repository.commit_tree(repository.tree(made), [], "\N{SNOWMAN}\n#o\n", ADA, 7)
    raw = subprocess.check_output(["git", "cat-file", "commit", message], cwd=place)
    assert raw.endswith("\n\n\N{SNOWMAN}\n#o\n".encode()) and b"encoding" not in raw
    assert repository.merge_tree(base, made) == repository.tree(made)


@pytest.mark.usefixtures("trouble")
def test_no_setting_changes_refs_and_status(repository: Repository, place: Path) -> None:
    repository.update_refs([Create("refs/heads/x", head(repository))], "reason")
    assert repository.ref("refs/heads/x") == head(repository)
    (place / "folder" / "new").write_text("x")
    assert repository.dirty_paths() == ("folder/new",)


# Refs


def test_refs_change_together(repository: Repository) -> None:
    one = head(repository)
    two = commit(repository, {"a": b"a"}, one)
    repository.update_refs([Create("refs/x/a", one), Create("refs/x/b", one)], "make")
    repository.update_refs(
        [Update("refs/x/a", two, one), Delete("refs/x/b", one), Verify("refs/x/c", None)], "move"
    )
    assert (repository.ref("refs/x/a"), repository.ref("refs/x/b")) == (two, None)


@pytest.mark.parametrize("late", ["create", "update", "delete", "verify", "absent"])
def test_one_ref_that_has_moved_stops_all(repository: Repository, late: str) -> None:
    one = head(repository)
    two = commit(repository, {"a": b"a"}, one)
    repository.update_refs([Create("refs/x/moved", two)], "make")
    changes: dict[str, RefChange] = {
        "create": Create("refs/x/moved", one),
        "update": Update("refs/x/moved", two, one),
        "delete": Delete("refs/x/moved", one),
        "verify": Verify("refs/x/moved", one),
        "absent": Verify("refs/x/moved", None),
    }
    with pytest.raises(RefMoved) as caught:
        repository.update_refs([Create("refs/x/other", one), changes[late]], "late")
    assert (caught.value.ref, caught.value.found) == ("refs/x/moved", two)
    assert (repository.ref("refs/x/other"), repository.ref("refs/x/moved")) == (None, two)


def test_a_name_that_is_a_folder_is_an_error(repository: Repository) -> None:
    repository.update_refs([Create("refs/x/a", head(repository))], "make")
    with pytest.raises(GitFailed):
        repository.update_refs([Create("refs/x/a/b", head(repository))], "make")


@pytest.mark.parametrize("name", ["refs/x/a\nb", "refs/x/a b", "refs/x/a\0b", "HEAD\ncommit\n"])
def test_a_hostile_ref_name_is_refused(repository: Repository, name: str) -> None:
    with pytest.raises(GitError):
        repository.update_refs([Create(name, head(repository))], "make")


def test_a_lock_that_is_held_for_a_moment_is_waited_for(
    repository: Repository, place: Path
) -> None:
    lock = place / ".git" / "refs" / "heads" / "x.lock"
    lock.touch()
    waiting = subprocess.Popen(["sh", "-c", f"sleep 0.3; rm {lock}"])
    repository.update_refs([Create("refs/heads/x", head(repository))], "make")
    assert waiting.wait() == 0
    assert repository.ref("refs/heads/x") == head(repository)


def test_a_lock_that_stays_is_named(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "LOCK_PATIENCE_S", 0.0)
    lock = place / ".git" / "refs" / "heads" / "x.lock"
    lock.touch()
    with pytest.raises(GitLocked, match=r"x\.lock.*delete it"):
        repository.update_refs([Create("refs/heads/x", head(repository))], "make")


@pytest.mark.parametrize("revision", ["--all", "-h", "nope", "", "HEAD:train.py", "a\nb", "@{u}"])
def test_a_revision_that_means_no_commit_is_none(repository: Repository, revision: str) -> None:
    assert repository.resolve(revision) is None


# Working trees


def test_the_branch_that_is_checked_out(repository: Repository, place: Path) -> None:
    assert repository.head_branch() == "main"
    assert repository.checked_out("main") == place.resolve()
    person(place, "checkout", "-q", "--detach")
    assert repository.head_branch() is None
    assert repository.checked_out("main") is None


def test_a_branch_in_a_linked_worktree_is_found(
    repository: Repository, place: Path, tmp_path: Path
) -> None:
    person(place, "worktree", "add", "-q", "-b", "side", str(tmp_path / "new\nline"))
    assert repository.checked_out("side") == (tmp_path / "new\nline").resolve()
    assert repository.checked_out("main") == place.resolve()


def test_dirty_paths_are_changed_staged_and_untracked(repository: Repository, place: Path) -> None:
    (place / "train.py").write_text("changed")
    (place / "staged").write_text("x")
    person(place, "add", "staged")
    (place / os.fsdecode(b"un\xfftracked\n")).write_text("x")
    (place / ".git" / "info" / "exclude").write_text("ignored\n")
    (place / "ignored").write_text("x")
    everything = {"train.py", "staged", os.fsdecode(b"un\xfftracked\n")}
    assert set(repository.dirty_paths()) == everything
    assert repository.dirty_paths(["train.py", "tool.sh"]) == ("train.py",)
    assert repository.dirty_paths([]) == ()


def test_reading_leaves_the_index_alone(repository: Repository, place: Path) -> None:
    os.utime(place / "train.py", (1, 1))
    index = (place / ".git" / "index").read_bytes()
    assert repository.dirty_paths() == ()
    assert (place / ".git" / "index").read_bytes() == index
