"""Unfinished conversations: what a killed process has left, the next one goes on with.

It asks for the same, so that at most the call in flight is paid again, and from the commit that the
files were of. A conversation is gone on with by one process at a time (`bot.proposing.claims`);
what nobody would ask for any more is dropped, and what it cost stays counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bot.forge.base import ForgeError
from bot.git import GitError
from bot.proposers.base import Context
from bot.proposing import kept
from bot.proposing.journal import PREFIX, About, Journal, purpose
from bot.proposing.place import Place


@dataclass(frozen=True)
class _Found:
    ref: str
    commit: str
    about: About


@dataclass(frozen=True)
class _Damaged:
    ref: str
    commit: str


def begin(place: Place, told: Context) -> Journal:
    """The conversation about a request: one that a process before has left, or else a new one.

    Those about what the same was asked for before, and with which nobody goes on, are dropped.
    Raises GitError.
    """
    wanted, revises = purpose(told), told.revision.number if told.revision else None
    for found in _free(place):
        about = found.about
        if about.revises != revises:
            continue
        if about.purpose != wanted:
            kept.remove(place, found.ref, found.commit)
        elif not _may_go_on(place, about):
            continue
        elif revises is not None or about.base == told.base:
            try:
                journal = Journal.claim(place, told, found.ref, found.commit, about)
            except (GitError, ForgeError):
                continue  # another process was first, or nobody can tell
            if not journal.lost:
                return journal
    return Journal(place, told)


def base(place: Place, told: Context) -> str:
    """The commit to ask from: that of a conversation that can be gone on with, else the present."""
    about = waiting(place, told)
    return about.base if about else told.base


def waiting(place: Place, told: Context) -> About | None:
    """An unfinished conversation that a new experiment goes on with. Claims nothing.

    Entries of the ledger move the base branch and change nothing of what is asked for.
    """
    for found in _free(place):
        about = found.about
        same = about.revises is None and about.purpose == purpose(told)
        if same and _may_go_on(place, about) and _leads_to(place, about.base, told.base):
            return about
    return None


def tidy(place: Place, base: str, still_open: Collection[int]) -> tuple[str, ...]:
    """Remove those that nobody can go on with; what was damaged, in words for a person.

    `base` is where the base branch is, `still_open` are the experiments that may be revised.
    """
    said = []
    for found in _all(place):
        if isinstance(found, _Damaged):
            kept.remove(place, found.ref, found.commit)
            said.append(
                f"{found.ref} is damaged (at {found.commit[:12]}): that unfinished conversation "
                "cannot be gone on with and is dropped. What it cost stays counted."
            )
        elif found.about.free and not _is_wanted(place, found.about, base, still_open):
            kept.remove(place, found.ref, found.commit)
    return tuple(said)


def _is_wanted(place: Place, about: About, base: str, still_open: Collection[int]) -> bool:
    if about.revises is not None:
        return about.revises in still_open
    return _leads_to(place, about.base, base)  # not where the base branch was set back


def _may_go_on(place: Place, about: About) -> bool:
    """Whether whoever began it may be asked: else it waits until bot.toml names it again."""
    return about.proposer in place.settings.shares


def _free(place: Place) -> Iterator[_Found]:
    return (one for one in _all(place) if isinstance(one, _Found) and one.about.free)


def _all(place: Place) -> Iterator[_Found | _Damaged]:
    for ref, commit in sorted(place.forge.own_refs.below(PREFIX).items()):
        about = About.read(place, commit)
        yield _Damaged(ref, commit) if about is None else _Found(ref, commit, about)


def _leads_to(place: Place, earlier: str, later: str) -> bool:
    try:
        return place.repository.is_ancestor(earlier, later)
    except GitError:
        return False  # this clone does not have it
