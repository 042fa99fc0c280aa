"""Common ancestors and merges of trees, as far as they need no look into a file."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bench.simulation.quick.store import Entry, Store


@dataclass(frozen=True)
class Clash:
    """A name that both sides changed, and what it was and is."""

    name: bytes
    was: Entry | None
    ours: Entry | None
    theirs: Entry | None


def merge_bases(store: Store, one: str, other: str) -> list[str]:
    """The best common ancestors."""
    mine = store.ancestors(one)
    found: list[str] = []
    covered: set[str] = set()
    waiting = deque([other])
    while waiting:
        now = waiting.popleft()
        if now in covered:
            continue
        if now in mine:
            found.append(now)
            covered |= store.ancestors(now).keys()
        else:
            covered.add(now)
            waiting += store.parents(now)
    return [
        one for one in found if not any(two != one and store.contains(two, one) for two in found)
    ]


def merged(
    store: Store, base: str, one: str, other: str
) -> tuple[dict[bytes, Entry], tuple[Clash, ...]]:
    """What is certain of a merge, and the names about which git has to be asked."""
    before, ours, theirs = (store.entries(name) for name in (base, one, other))
    certain: dict[bytes, Entry] = {}
    clashes = []
    for name in sorted(ours.keys() | theirs.keys() | before.keys()):
        was, here, there = before.get(name), ours.get(name), theirs.get(name)
        if here != there and was not in {here, there}:
            clashes.append(Clash(name, was, here, there))
            continue
        entry = there if here == was else here
        if entry:
            certain[name] = entry
    return certain, tuple(clashes)
