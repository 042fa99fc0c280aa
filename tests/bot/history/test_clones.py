from __future__ import annotations

from pathlib import Path

import pytest

from bot.actions import Conclude
from bot.app import open_place
from bot.forge.base import NewPull
from bot.forge.git import configure_refspecs
from bot.git import Repository
from bot.history.clones import ShallowClone, advice
from bot.history.peek import peek
from bot.open import open_branch
from bot.proposing.place import BOT
from bot.settings import parse
from tests.bot.lab import TRAIN, Lab, git

SETTINGS = parse(b"")
IDEA = {"train.py": TRAIN.replace("1.0", "-9.0")}


@pytest.fixture
def origin(tmp_path: Path) -> Lab:
    """A repository with one finished experiment."""
    lab = Lab.build(tmp_path / "origin")
    lab.branch("my-idea", IDEA)
    open_branch(lab.place, "my-idea", None, "")
    while not isinstance(lab.act(), Conclude):
        pass
    return lab


def clone(origin: Lab, folder: Path, *options: str) -> Path:
    git(folder.parent, "clone", "-q", *options, f"file://{origin.folder}", str(folder))
    git(folder, "config", "user.name", "Person")
    git(folder, "config", "user.email", "person@example.org")
    return folder


def test_a_clone_without_the_pull_requests_gives_no_number_twice(
    origin: Lab, tmp_path: Path
) -> None:
    place = open_place(clone(origin, tmp_path / "clone"))
    git(place.repository.path, "branch", "idea")
    new = NewPull("idea", place.forge.base(), "An idea", "", BOT, {})
    assert place.forge.open(new).number == 2


def test_a_clone_says_what_fetches_the_pull_requests(origin: Lab, tmp_path: Path) -> None:
    repository = Repository(clone(origin, tmp_path / "clone"))
    said = advice(repository, SETTINGS)
    assert said is not None
    assert said.count("\n") == 0
    command = said.partition("fetches them: git ")[2].replace("'", "").split()
    git(repository.path, *command)
    said = advice(repository, SETTINGS)
    assert said is not None
    assert "stay in this clone" in said
    configure_refspecs(repository)
    assert advice(repository, SETTINGS) is None


def test_where_there_is_no_remote_nothing_is_said(origin: Lab) -> None:
    assert advice(origin.place.repository, SETTINGS) is None


def test_nothing_is_said_where_every_write_goes_to_a_remote(origin: Lab, tmp_path: Path) -> None:
    shared = parse(b'[forge]\nremote = "origin"\n')
    assert advice(Repository(clone(origin, tmp_path / "clone")), shared) is None


def test_advice_leaves_the_configuration_alone(origin: Lab, tmp_path: Path) -> None:
    folder = clone(origin, tmp_path / "clone")
    before = (folder / ".git" / "config").read_bytes()
    advice(Repository(folder), SETTINGS)
    assert (folder / ".git" / "config").read_bytes() == before


def test_a_shallow_clone_is_refused_with_what_to_do(origin: Lab, tmp_path: Path) -> None:
    folder = clone(origin, tmp_path / "clone", "--depth", "1")
    for look in (open_place, peek):
        with pytest.raises(ShallowClone, match="git fetch --unshallow"):
            look(folder)
    git(folder, "fetch", "-q", "--unshallow")
    assert open_place(folder).settings == origin.place.settings
    assert peek(folder).base == "main"
