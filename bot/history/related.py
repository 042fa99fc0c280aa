"""Earlier experiments like a change, and how they ended: for people who look at the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.git import Repository
from bot.history import fingerprint
from bot.history.fingerprint import Earlier
from bot.history.ledger import LedgerEntry

LOOKED_AT = 500
"""So many of the latest experiments are compared."""


@dataclass(frozen=True)
class Related:
    """An earlier experiment, and in which way its change was like the new one."""

    entry: LedgerEntry
    why: str


def related(
    repository: Repository,
    entries: Sequence[LedgerEntry],
    *,
    before: Mapping[str, bytes],
    after: Mapping[str, bytes],
    entry_file: str,
    limit: int = 3,
) -> tuple[Related, ...]:
    """Finished experiments whose change was like that from `before` to `after`, nearest first.

    Both are all the allowed files. Commits that git has cleared away count as unlike.
    """
    known = {entry.number: entry for entry in entries[-LOOKED_AT:]}
    paths = sorted(before.keys() | after.keys())
    commits = {commit for entry in known.values() for commit in (entry.head, entry.fork)}
    wanted = [(commit, path) for commit in commits - {"-", ""} for path in paths]
    found = repository.read_many(wanted)

    def files(commit: str) -> dict[str, bytes]:
        read = {path: found.get((commit, path)) for path in paths}
        return {path: data for path, data in read.items() if data is not None}

    earlier = [
        Earlier(number, files(entry.head), files(entry.fork) or None)
        for number, entry in known.items()
        if files(entry.head)
    ]
    near = fingerprint.near(after, before, entry_file, earlier, limit=limit)
    return tuple(Related(known[one.number], one.why) for one in near)
