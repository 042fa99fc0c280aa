"""What holds after every history, read from git and the forge alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

from bench.simulation.bots import Books
from bot.candidate import allowed_files
from bot.forge.base import Attempt, PullRequest, State
from bot.git import Repository
from bot.history import ledger, scratchpad, spending
from bot.history.ledger import LedgerEntry
from bot.history.scratchpad import Bounds
from bot.model import Reason
from bot.proposing import kept
from bot.proposing.place import Place
from bot.standing import NEEDS_HUMAN
from runner.digests import candidate_digest

_MEASURED = {Reason.IMPROVEMENT, Reason.SIMPLER, Reason.DID_NOT_REPLICATE}


class Broken(AssertionError):
    """Something that is always true was not."""


def check(place: Place, books: Books, bases: Sequence[str]) -> None:
    """Raise Broken for the first invariant that does not hold. `bases` are all base tips seen."""
    check_repository(place, set(books.made))
    _costs_are_told(place, place.forge.pulls(), books)
    for before, after in pairwise(bases):
        _demand(place.repository.is_ancestor(before, after), f"main lost {before}")


def check_repository(place: Place, made: Collection[tuple[str, int]] | None = None) -> None:
    """The part that any repository can be put through whose experiments are finished.

    `made` are the runs that were really made, by (digest, seed), where somebody knows them.
    """
    pulls = place.forge.pulls()
    entries = ledger.read(place.repository.path, place.settings.repository.base)
    _one_verdict_each(place, pulls, entries)
    for entry in entries:
        if entry.reason in _MEASURED:
            _merged_what_was_measured(place, pulls[entry.number - 1], entry, made)
    _scratchpad_agrees(place, entries)


def _one_verdict_each(
    place: Place, pulls: Sequence[PullRequest], entries: Sequence[LedgerEntry]
) -> None:
    numbers = [pull.number for pull in pulls]
    _demand(numbers == list(range(1, len(pulls) + 1)), f"numbers are {numbers}")
    commits = Counter(_ledger_numbers(place.repository, place.settings.repository.base))
    told = {entry.number: entry for entry in entries}
    for pull in pulls:
        if pull.state is State.OPEN:
            _demand(NEEDS_HUMAN in pull.labels, f"#{pull.number} is still open")
            _demand(commits[pull.number] == 0, f"#{pull.number} is open and in the ledger")
            continue
        _demand(commits[pull.number] == 1, f"{commits[pull.number]} verdicts of #{pull.number}")
        entry = told[pull.number]
        _demand(pull.verdict is not None, f"#{pull.number} has no verdict")
        assert pull.verdict
        same = (entry.reason, entry.head) == (pull.verdict.reason, pull.head)
        _demand(same, f"ledger and pull request differ about #{pull.number}")
        merged = pull.state is State.MERGED
        _demand(merged == pull.verdict.merged, f"#{pull.number} is {pull.state}: {entry.reason}")
    _demand(set(commits) <= set(numbers), "the ledger tells of others")


def _ledger_numbers(repository: Repository, branch: str) -> list[int]:
    found = (
        ledger.entry_in(chunk) for chunk in ledger.commits(repository.path, branch, ledger.GREP)
    )
    return [entry.number for entry in found if entry]


def _merged_what_was_measured(
    place: Place,
    pull: PullRequest,
    entry: LedgerEntry,
    made: Collection[tuple[str, int]] | None,
) -> None:
    repository, scratch = place.repository, place.settings.scratchpad.path
    parents = repository.git.text("rev-list", "--parents", "-1", entry.commit).split()[1:]
    base = parents[0]
    _demand(parents[1:] in ([entry.head], []), f"parents of the merge of #{entry.number}")
    allowed = {*place.settings.candidate.paths, scratch}
    changed = set(repository.changed_paths(base, entry.commit))
    _demand(changed <= allowed, f"#{entry.number} also changed {changed - allowed}")
    subject, before = _subject(place, entry.commit), _subject(place, base)
    counted = [a for a in pull.attempts if a.complete and _measures(place, a, subject, before)]
    _demand(counted != [], f"#{entry.number} was merged without runs on its base")
    if made is None:
        return
    for attempt in counted:
        for index, run in enumerate(attempt.runs):
            name = attempt.results[index]["digests"]["candidate"], run.seed
            _demand(name in made, f"run {index} of {attempt.id} was never made")


def _measures(place: Place, attempt: Attempt, subject: str, before: str) -> bool:
    return (_subject(place, attempt.merge_tree), _subject(place, attempt.base)) == (subject, before)


def _subject(place: Place, tree: str) -> str:
    return candidate_digest(allowed_files(place.repository, tree, place.settings))


def _scratchpad_agrees(place: Place, entries: Sequence[LedgerEntry]) -> None:
    if not entries:
        return
    table = place.settings.scratchpad
    data = place.repository.read_file(place.forge.base(), table.path) or b""
    text = scratchpad.read(data)
    made = scratchpad.with_entries(text, list(entries), Bounds(table.recent, table.table))
    _demand(text == made, "the scratchpad is not what the ledger gives")


def _costs_are_told(place: Place, pulls: Sequence[PullRequest], books: Books) -> None:
    """At most the call in flight is paid again, and no call is charged twice."""
    noted = spending.noted(place.repository).calls
    lost = books.lost_calls
    _demand(noted <= books.calls, f"{noted} calls noted, {books.calls} made")
    _demand(noted >= books.calls - lost, f"{noted} of {books.calls} calls noted, {lost} lost")
    opened = sum(pull.record["proposer"] == "command" for pull in pulls)
    _demand(opened <= books.proposals, f"{opened} opened of {books.proposals}")
    left = sorted(place.forge.own_refs(kept.PREFIX))
    _demand(left == [], f"complete proposals that nobody opened: {left}")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)
