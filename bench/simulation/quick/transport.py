"""`git fetch`, `git push` and `git ls-remote` between two stores."""

from __future__ import annotations

from collections.abc import Iterator

from bench.simulation.quick.store import ID, Store
from bot.git.process import Completed

LEASE = "--force-with-lease="


def fetch(here: Store, there: Store, specs: tuple[str, ...]) -> Completed:
    """Take over what the refspecs name; refs that are gone there go here too (`--prune`)."""
    for spec in specs:
        source, _colon, target = spec.removeprefix("+").partition(":")
        if not target:
            found = source if source in there.objects else there.refs.get(source)
            if found is None:
                said = "not our ref" if ID.fullmatch(source) else "couldn't find remote ref"
                return Completed(128, b"", f"fatal: {said} {source}")
            here.copy_from(there, [found])
            continue
        front, back = source.removesuffix("*"), target.removesuffix("*")
        wanted = {
            back + name.removeprefix(front): value
            for name, value in there.refs.items()
            if name.startswith(front)
        }
        here.copy_from(there, wanted.values())
        for name in [one for one in here.refs if one.startswith(back) and one not in wanted]:
            here.set_ref(name, None)
        for name, value in wanted.items():
            here.set_ref(name, value)
    return Completed(0, b"", "")


def ls_remote(there: Store, names: tuple[str, ...]) -> Completed:
    """Where these refs are there."""
    lines = (f"{there.refs[name]}\t{name}\n" for name in sorted(names) if name in there.refs)
    return Completed(0, "".join(lines).encode(), "")


def push(here: Store, there: Store, options: tuple[str, ...], specs: tuple[str, ...]) -> Completed:
    """Move refs there, all or none, each from where its lease expects it."""
    pairs = (option.removeprefix(LEASE).partition(":") for option in options if LEASE in option)
    leases = {name: old for name, _colon, old in pairs}
    moves = {ref: new for new, _colon, ref in (spec.partition(":") for spec in specs)}
    refused = list(_refused(there, moves, leases))
    if refused:
        lines = "".join(f"!\t{ref}:{ref}\t[rejected] ({why})\n" for ref, why in refused)
        return Completed(1, lines.encode(), "error: failed to push some refs")
    here_has = [new for new in moves.values() if new]
    there.copy_from(here, here_has)
    for ref, new in moves.items():
        if new or ref in there.refs:
            there.set_ref(ref, new or None)
    return Completed(0, b"Done\n", "")


def _refused(
    there: Store, moves: dict[str, str], leases: dict[str, str]
) -> Iterator[tuple[str, str]]:
    for ref, new in moves.items():
        now = there.refs.get(ref, "")
        if now == new and new:
            continue
        if ref in leases and now != leases[ref]:
            yield ref, "stale info"
        elif not now and not new:
            yield ref, "remote ref does not exist"
        elif not now and there.blocked(ref):
            yield ref, "failed to update ref"
