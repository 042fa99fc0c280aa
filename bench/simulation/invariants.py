"""What holds after every history, read from git and the forge alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

from bench.simulation.books import Books, times
from bot.candidate import allowed_files
from bot.forge.base import Attempt, PullRequest, State
from bot.git import Repository
from bot.history import ledger, scratchpad
from bot.history.cost import Cost
from bot.history.ledger import LedgerEntry
from bot.history.scratchpad import Bounds
from bot.history.trees import remake_trees
from bot.model import Reason
from bot.proposing import kept
from bot.proposing.place import Place
from bot.standing import NEEDS_HUMAN
from bot.views.texts import UNAPPLIED
from runner.digests import candidate_digest

IDEA = "It may be better there. Idea "
"""How a proposer's rationale begins in a simulation; the number of the call follows."""
_MEASURED = {Reason.IMPROVEMENT, Reason.SIMPLER, Reason.DID_NOT_REPLICATE}


class Broken(AssertionError):
    """Something that is always true was not."""


def check(place: Place, books: Books, bases: Sequence[str]) -> None:
    """Raise Broken for the first invariant that does not hold. `bases` are all base tips seen."""
    place.forge.base()  # brings this clone to where all others are
    remake_trees(place.repository, place.forge.pulls())
    check_repository(place, books.made)
    left = sorted(place.forge.own_refs.below(kept.PREFIX))
    demand(left == [], f"complete proposals that nobody opened: {left}")
    for before, after in pairwise(bases):
        demand(place.repository.is_ancestor(before, after), f"main lost {before}")


def check_repository(place: Place, made: Collection[tuple[str, int]] | None = None) -> None:
    """The part that any repository can be put through whose experiments are finished.

    `made` are the runs that were really made, by (digest, seed), where somebody knows them.
    """
    pulls = place.forge.pulls()
    entries = ledger.read(place.repository.path, place.settings.repository.base)
    _one_verdict_each(place, pulls, entries)
    by_number = {pull.number: pull for pull in pulls}
    for entry in entries:
        _counted_once(by_number[entry.number], entry)
        if entry.reason in _MEASURED:
            _merged_what_was_measured(place, by_number[entry.number], entry, made)
    _scratchpad_agrees(place, entries)


def _one_verdict_each(
    place: Place, pulls: Sequence[PullRequest], entries: Sequence[LedgerEntry]
) -> None:
    numbers = [pull.number for pull in pulls]
    demand(numbers == sorted(set(numbers)), f"numbers are {numbers}")
    commits = Counter(_ledger_numbers(place.repository, place.settings.repository.base))
    told = {entry.number: entry for entry in entries}
    for pull in pulls:
        if pull.state is State.OPEN:
            demand(NEEDS_HUMAN in pull.labels, f"#{pull.number} is still open")
            said = [one.body for one in pull.comments if one.author.is_bot]
            asked = any(words.startswith(UNAPPLIED) for words in said)
            demand(asked, f"nobody was told what #{pull.number} waits for")
            demand(commits[pull.number] == 0, f"#{pull.number} is open and in the ledger")
            continue
        demand(commits[pull.number] == 1, f"{commits[pull.number]} verdicts of #{pull.number}")
        entry = told[pull.number]
        demand(pull.verdict is not None, f"#{pull.number} has no verdict")
        assert pull.verdict
        same = (entry.reason, entry.head) == (pull.verdict.reason, pull.head)
        demand(same, f"ledger and pull request differ about #{pull.number}")
        merged = pull.state is State.MERGED
        demand(merged == pull.verdict.merged, f"#{pull.number} is {pull.state}: {entry.reason}")
    demand(set(commits) <= set(numbers), "the ledger tells of others")


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
    demand(parents[1:] in ([entry.head], []), f"parents of the merge of #{entry.number}")
    allowed = {*place.settings.candidate.paths, scratch}
    changed = set(repository.changed_paths(base, entry.commit))
    demand(changed <= allowed, f"#{entry.number} also changed {changed - allowed}")
    subject, before = _subject(place, entry.commit), _subject(place, base)
    counted = [a for a in pull.attempts if a.complete and _measures(place, a, subject, before)]
    demand(counted != [], f"#{entry.number} was merged without runs on its base")
    if made is None:
        return
    for attempt in counted:
        for index, run in enumerate(attempt.runs):
            name = attempt.results[index]["digests"]["candidate"], run.seed
            demand(name in made, f"run {index} of {attempt.id} was never made")


def _measures(place: Place, attempt: Attempt, subject: str, before: str) -> bool:
    return (_subject(place, attempt.merge_tree), _subject(place, attempt.base)) == (subject, before)


def _subject(place: Place, tree: str) -> str:
    if not place.repository.has(tree):
        return ""  # it hung on commits that a person's rewrite has thrown away
    return candidate_digest(allowed_files(place.repository, tree, place.settings))


def _scratchpad_agrees(place: Place, entries: Sequence[LedgerEntry]) -> None:
    if not entries:
        return
    table = place.settings.scratchpad
    data = place.repository.read_file(place.forge.base(), table.path) or b""
    text = scratchpad.read(data)
    made = scratchpad.with_entries(text, list(entries), Bounds(table.recent, table.table))
    demand(text == made, "the scratchpad is not what the ledger gives")


def check_costs(noted: Cost, books: Books) -> None:
    """Every call is charged exactly once, but for those whose notes a fault took away."""
    for call in range(books.calls):
        charged, wanted = times(call, noted.input_tokens), int(call not in books.unnoted)
        demand(charged == wanted, f"call {call} was charged {charged} times and not {wanted}")
    made = f"{books.calls} made, {sorted(books.unnoted)} of them cut short"
    demand(noted.calls == books.calls - len(books.unnoted), f"{noted.calls} noted, {made}")


def opened_once(pulls: Sequence[PullRequest]) -> None:
    """No answer of a proposer is more than one experiment."""
    told = (pull.record.get("hypothesis") for pull in pulls if pull.author.is_bot)
    ideas = Counter(one.get("rationale") for one in told if isinstance(one, dict))
    twice = [idea for idea, count in ideas.items() if count > 1 and str(idea).startswith(IDEA)]
    demand(not twice, f"opened twice: {twice}")


def _counted_once(pull: PullRequest, entry: LedgerEntry) -> None:
    """A verdict tells of each finished run of its experiment once, and of no other."""
    finished = sum(len(attempt.results) for attempt in pull.attempts)
    told = len(entry.runs())
    demand(told <= finished, f"the verdict of #{pull.number} counts {told} runs of {finished}")


def demand(holds: bool, otherwise: str) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(otherwise)
