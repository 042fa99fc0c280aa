"""What proposals have cost so far, and whether the caps of bot.toml allow another one.

Every proposal that cost something is written down here the moment it is known, whatever
becomes of it: opened, refused, dropped or interrupted. `refs/forge/costs` is a chain of
commits, one for each, that carry the running total; it travels with the other refs of the
forge. A pull request repeats what its own proposal cost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from bot.errors import Stopped
from bot.forge.base import Conflict, OwnRefs
from bot.git import Create, Identity, RefChange, RefMoved, Repository, Update
from bot.history.cost import Cost
from bot.history.ledger import LedgerEntry
from bot.proposers.account import Left
from bot.proposers.tables import CapsTable
from bot.text.plain import one_line

REF = "refs/forge/costs"
_TOTAL, _ENTRY = "total.json", "entry.json"
_TRIES = 20
_TOLD = re.compile(
    r"\n\n(?:Proposer: (?P<proposer>[\w.-]{1,100})\n)?(?:Revised: (?P<revised>\d{1,9})\n)?"
    r"Usd: (?P<usd>\d{1,9}\.\d{1,6})\n*\Z"
)


class CapReached(Stopped):
    """A cap of bot.toml is reached: nothing is proposed any more. A clean stop, no defect."""


@dataclass(frozen=True)
class Totals:
    """What the repository's whole history has used up."""

    cost: Cost
    experiments: int
    gpu_hours: float


def note(
    repository: Repository,
    cost: Cost,
    what: str,
    *,
    who: Identity,
    when: int,
    proposer: str = "",
    experiment: int | None = None,
    always: bool = False,
    together_with: Sequence[RefChange] = (),
) -> None:
    """Write down what a proposal cost. Writes nothing when it cost nothing, unless `always`.

    `proposer` is who was asked; `experiment` is the one that it revises; `together_with` are
    changes of other refs, made in the same transaction. Raises GitError when git fails.
    """
    if not cost and not always:
        if together_with:
            repository.update_refs(together_with, "note what costs nothing")
        return
    for attempt in range(_TRIES):
        tip = repository.ref(REF)
        total = _total_at(repository, tip) + cost
        entry = {"what": one_line(what, 300), "cost": asdict(cost)}
        files = {_TOTAL: _json(asdict(total)), _ENTRY: _json(entry)}
        blobs = {name: ("100644", repository.write_blob(data)) for name, data in files.items()}
        tree = repository.write_tree(blobs)
        message = f"${cost.usd:.4f}: {entry['what']}\n\n"
        if proposer:
            message += f"Proposer: {proposer}\n"
        if experiment is not None:
            message += f"Revised: {experiment}\n"
        message += f"Usd: {cost.usd:.6f}\n"
        commit = repository.commit_tree(tree, [tip] if tip else [], message, who, when)
        change = Update(REF, commit, tip) if tip else Create(REF, commit)
        try:
            repository.update_refs([change, *together_with], "note a cost")
            return
        except RefMoved as moved:
            if attempt == _TRIES - 1 or moved.ref != REF:
                raise


def share(repository: Repository, shared: OwnRefs, who: Identity, when: int) -> None:
    """Bring the notes of this clone and those of the others together.

    Without it, a clone that lives for one step only (on GitHub) would forget what it has spent
    on proposals that came to nothing. Raises Conflict and Unreachable of the forge.
    """
    for attempt in range(_TRIES):
        theirs, ours = shared.elsewhere(REF), repository.ref(REF)
        joined = _join(repository, ours, theirs, who, when)
        if joined is None:
            return
        try:
            if joined != ours:
                change = Update(REF, joined, ours) if ours else Create(REF, joined)
                repository.update_refs([change], "join costs")
            if joined != theirs:
                shared.publish(REF, old=theirs, new=joined)
            return
        except (RefMoved, Conflict):
            if attempt == _TRIES - 1:
                raise


def _join(
    repository: Repository, ours: str | None, theirs: str | None, who: Identity, when: int
) -> str | None:
    """The commit with everything that either side has noted; None when nobody has anything."""
    if ours is None or theirs is None or ours == theirs:
        return ours or theirs
    if repository.is_ancestor(theirs, ours):
        return ours
    if repository.is_ancestor(ours, theirs):
        return theirs
    more = _total_at(repository, ours).beyond(
        _total_at(repository, repository.merge_base(ours, theirs))
    )
    total = _total_at(repository, theirs) + more
    entry = {"what": "what another clone has noted", "cost": asdict(more)}
    files = {_TOTAL: _json(asdict(total)), _ENTRY: _json(entry)}
    blobs = {name: ("100644", repository.write_blob(data)) for name, data in files.items()}
    tree = repository.write_tree(blobs)
    message = f"${more.usd:.4f}: {entry['what']}\n"
    return repository.commit_tree(tree, [theirs, ours], message, who, when)


def noted(repository: Repository) -> Cost:
    """The total of everything that `note` wrote down."""
    return _total_at(repository, repository.ref(REF))


def revising(repository: Repository, number: int) -> float:
    """US dollars that revisions of an experiment have cost, those included that came to nothing."""
    return sum(usd for _, revised, usd in _notes(repository) if revised == number)


def by_proposer(repository: Repository) -> dict[str, float]:
    """US dollars that each proposer has cost, whatever became of what it answered."""
    found: dict[str, float] = {}
    for proposer, _, usd in _notes(repository):
        if proposer:
            found[proposer] = found.get(proposer, 0.0) + usd
    return found


def _notes(repository: Repository) -> Iterator[tuple[str, int | None, float]]:
    """Proposer, revised experiment and US dollars of every note of every clone."""
    if repository.ref(REF) is None:
        return
    for text in repository.messages("", REF, side_lines=True):
        if told := _TOLD.search(text):
            revised = told["revised"]
            yield told["proposer"] or "", int(revised) if revised else None, float(told["usd"])


def totals(
    repository: Repository,
    entries: Iterable[LedgerEntry],
    open_costs: Iterable[Cost],
    more_s: float = 0.0,
) -> Totals:
    """What was used up: by the notes, or by ledger and open pull requests if that is more.

    `more_s` are seconds of runs that no entry tells of.
    The latter matters in a clone to which the notes were never fetched.
    """
    finished, still_open = list(entries), list(open_costs)
    written = noted(repository)
    told = sum((cost for cost in still_open), Cost(usd=sum(one.cost_usd for one in finished)))
    cost = written if written.usd >= told.usd else told + Cost(priced=written.priced)
    if cost.tokens < written.tokens:
        cost = Cost(**{**asdict(written), "usd": cost.usd})
    return Totals(
        cost=cost,
        experiments=len(finished) + len(still_open),
        gpu_hours=(more_s + sum(one.duration_s for one in finished)) / 3600,
    )


def left_under(caps: CapsTable, used: Totals) -> Left:
    """What a proposal may still cost.

    Raises:
        CapReached: nothing more may be proposed; the message names the cap and what to do.
    """
    for key, limit, amount, shown in (
        ("max_experiments", caps.max_experiments, used.experiments, f"{used.experiments}"),
        ("max_gpu_hours", caps.max_gpu_hours, used.gpu_hours, f"{used.gpu_hours:.2f} hours"),
        ("max_usd", caps.max_usd, used.cost.usd, f"${used.cost.usd:.4f}"),
        ("max_tokens", caps.max_tokens, used.cost.tokens, f"{used.cost.tokens:,} tokens"),
    ):
        if limit is not None and amount >= limit:
            raise CapReached(
                f"caps.{key} = {limit:g} is reached ({shown} used so far). Nothing more is "
                f"proposed; what is open can still be finished. Raise caps.{key} in bot.toml to "
                "go on."
            )
    return Left(
        usd=None if caps.max_usd is None else caps.max_usd - used.cost.usd,
        tokens=None if caps.max_tokens is None else caps.max_tokens - used.cost.tokens,
    )


def _total_at(repository: Repository, tip: str | None) -> Cost:
    data = repository.read_file(tip, _TOTAL) if tip else None
    if data is None:
        return Cost()
    try:
        return Cost.read(json.loads(data))
    except (ValueError, RecursionError):
        raise CapReached(
            f"{REF} is damaged: what proposals have cost cannot be read, so nothing more is "
            f"proposed. Look at it with `git log -p {REF}`, and set it back to a sound commit."
        ) from None


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
