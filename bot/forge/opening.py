"""What every forge checks before it opens a pull request."""

from __future__ import annotations

from bot.forge.base import ForgeError, NewPull
from bot.git import Repository
from bot.text.plain import one_line

TITLE_LENGTH = 256


def title_of(repository: Repository, new: NewPull, base_branch: str) -> str:
    """The title as it is kept. Raises ForgeError for what cannot be opened."""
    if not repository.is_branch_name(new.branch):
        raise ForgeError(f"A branch cannot have the name {new.branch!r}.")
    if new.branch == base_branch:
        raise ForgeError(f"{new.branch!r} is the base branch; an experiment needs its own.")
    if repository.resolve(new.head) != new.head:
        raise ForgeError(f"There is no commit {new.head!r}.")
    title = one_line(new.title, TITLE_LENGTH)
    if not title:
        raise ForgeError("A pull request needs a title.")
    return title


def in_the_way(repository: Repository, branch: str, place: str = "refs/heads") -> str | None:
    """The branch below `place` that `branch` would be a folder of, or the other way round."""
    parts = branch.split("/")
    for count in range(1, len(parts)):
        above = "/".join(parts[:count])
        if repository.ref(f"{place}/{above}"):
            return above
    listing = repository.git.text(
        *("for-each-ref", "--count=1", "--format=%(refname)", f"{place}/{branch}/")
    )
    return listing.removeprefix(f"{place}/") or None
