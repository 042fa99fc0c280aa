"""The workflows that init proposes, and where they install the bot from."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from bot.git import Repository
from bot.importing.project import CannotImport
from bot.importing.workflows import (
    REQUIREMENT,
    WORKFLOWS,
    installed_from,
    missing_for,
    on_github,
    pinned,
    workflow_files,
)
from runner.actions import gate
from tests.bot.lab import git, make_repository

TOP = Path(__file__).parents[3]
TOOLS = Path(sys.executable).parent
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "ab" * 32
SOURCE = f"git+https://example.org/lab/mergelab.git@{COMMIT}"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)


def test_they_are_this_project_s_own_but_for_what_they_install() -> None:
    made = workflow_files(pinned(SOURCE))
    assert list(made) == [REQUIREMENT, *(f".github/workflows/{name}" for name in WORKFLOWS)]
    assert made[REQUIREMENT].splitlines()[-1] == f"mergelab @ {SOURCE}"
    for name in WORKFLOWS:
        path = f".github/workflows/{name}"
        own = (TOP / path).read_text()
        assert own.count("pip install") == own.count("requirements/bot.txt") > 0
        assert made[path] == own.replace("requirements/bot.txt", REQUIREMENT)


def test_they_name_nothing_that_only_this_repository_has(tmp_path: Path) -> None:
    for path, text in workflow_files(pinned(SOURCE)).items():
        for line in text.splitlines():
            command = line.partition("#")[0]
            assert "requirements/" not in command and "make " not in command, (path, line)


def test_the_linters_find_nothing(tmp_path: Path) -> None:
    for path, text in workflow_files(pinned(SOURCE)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    folder = tmp_path / ".github" / "workflows"
    zizmor = run(TOOLS / "zizmor", "--offline", "--persona", "pedantic", folder)
    assert zizmor.returncode == 0, zizmor.stdout
    labels = TOP / ".github" / "actionlint.yaml"
    written = (folder / name for name in WORKFLOWS)
    actionlint = run(TOOLS / "actionlint", "-config-file", labels, *written)
    assert (actionlint.returncode, actionlint.stdout) == (0, "")


def test_the_gate_notices_that_another_bot_is_installed() -> None:
    assert REQUIREMENT in gate._HARNESS


@pytest.mark.parametrize(
    ("source", "requirement"),
    [
        (SOURCE, f"mergelab @ {SOURCE}"),
        (f"mergelab @ {SOURCE}", f"mergelab @ {SOURCE}"),
        ("mergelab==0.1.0", "mergelab==0.1.0"),
        (
            f"https://example.org/mergelab-0.1.0-py3-none-any.whl#sha256={DIGEST}",
            f"mergelab @ https://example.org/mergelab-0.1.0-py3-none-any.whl#sha256={DIGEST}",
        ),
    ],
)
def test_a_source_that_stays_what_it_is_is_taken(source: str, requirement: str) -> None:
    assert pinned(source) == requirement


@pytest.mark.parametrize(
    "source",
    [
        "",
        "mergelab",
        "mergelab>=0.1",
        "git+https://example.org/lab/mergelab.git",
        "git+https://example.org/lab/mergelab.git@main",
        "git+https://example.org/lab/mergelab.git@0123456",
        f"git+https://token@example.org/lab/mergelab.git@{COMMIT}",
        f"git+https://me:secret@example.org/lab/mergelab.git@{COMMIT}",
        f"git+http://example.org/lab/mergelab.git@{COMMIT}",
        f"git+file:///srv/mergelab@{COMMIT}",
        "https://example.org/mergelab.whl",
        f"{SOURCE}\nother-package",
        f"{SOURCE} --index-url https://example.org/",
        f"mergelab @ mergelab @ {SOURCE}",
        "other==1.0",
    ],
)
def test_a_source_that_may_change_or_holds_a_password_is_refused(source: str) -> None:
    with pytest.raises(CannotImport, match="--source"):
        pinned(source)


def installed(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if told is None else json.dumps(told)

    monkeypatch.setattr(metadata, "distribution", lambda name: Installed())


def test_the_source_of_this_bot_is_read_from_its_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = "https://example.org/lab/mergelab.git"
    commit = {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}
    installed(monkeypatch, {"url": address, "vcs_info": commit})
    assert installed_from() == f"mergelab @ {SOURCE}"
    wheel = "https://example.org/mergelab-0.1.0-py3-none-any.whl"
    installed(monkeypatch, {"url": wheel, "archive_info": {"hashes": {"sha256": DIGEST}}})
    assert installed_from() == f"mergelab @ {wheel}#sha256={DIGEST}"


@pytest.mark.parametrize(
    "told",
    [
        None,  # from an index, which is not told
        {"url": "file:///home/ada/mergelab", "dir_info": {}},
        {"url": "https://example.org/mergelab.whl", "archive_info": {}},
        {"url": f"https://me:x@example.org/a/b@{COMMIT}", "vcs_info": {"commit_id": COMMIT}},
        {"url": "https://example.org/a", "subdirectory": "b", "vcs_info": {"commit_id": COMMIT}},
        ["nonsense"],
    ],
)
def test_no_address_is_made_up(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    installed(monkeypatch, told)
    with pytest.raises(CannotImport, match="--source"):
        installed_from()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://github.com/my-lab/research.git", "my-lab/research"),
        ("https://github.com/my-lab/research", "my-lab/research"),
        ("https://token@github.com/my-lab/research", "my-lab/research"),
        ("git@github.com:my-lab/re.search.git", "my-lab/re.search"),
        ("ssh://git@github.com/my-lab/research.git", "my-lab/research"),
        ("https://example.org/my-lab/research.git", None),
        ("https://github.com.example.org/my-lab/research.git", None),
        ("/srv/git/research.git", None),
    ],
)
def test_the_repository_on_github_is_read_from_the_remote(
    tmp_path: Path, address: str, name: str | None
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    repository = Repository(tmp_path)
    assert on_github(repository) is None
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", address], check=True)
    assert on_github(repository) == name


def test_data_that_no_checkout_brings_along_is_named(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "project")
    (folder / "bot.toml").write_text(
        """
[candidate]
needs = ["score.py"]
[task]
kind = "predictions"
inputs = "hidden/x.csv"
targets = "/srv/answers.csv"
scorer = "score.py"
[forge]
kind = "github"
repository = "my-lab/research"
[[mount]]
source = "data"
[[mount]]
source = "../shared"
target = "shared"
[[mount]]
source = "small"
[[mount]]
source = "~/corpus"
target = "corpus"
"""
    )
    (folder / "small").mkdir()
    (folder / "small" / "a.csv").write_text("1\n")
    git(folder, "add", "small")
    told = missing_for(Repository(folder), None)
    assert [words.split()[0] for words in told] == ["data", "../shared", "hidden/x.csv"]
    assert all("absolute path" in words for words in told)
