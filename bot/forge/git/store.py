"""Chains of events under `refs/forge/pulls/<n>`: reading many at once, writing new links.

Every commit of a chain holds one event as `event.json`, and beside it, as `trees/<id>`, the
trees that the event speaks of, so that garbage collection and push keep them. Its message
says in one line what happened, and in trailers the state afterwards and whether a person had
the last word, so that those to look at are found among thousands without reading any chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bot.forge.base import ForgeError, PullRequest, State
from bot.forge.events import (
    MAXIMUM_BYTES,
    Attempted,
    Event,
    InvalidEvent,
    Opened,
    from_json,
    to_json,
)
from bot.forge.fold import FoldError, apply
from bot.git import GitFailed, Identity, Repository
from bot.git.batch import GitObject, read_objects
from bot.text.plain import one_line

NAMESPACE = "refs/forge/pulls"
EVENT_FILE = "event.json"
_NAME = re.compile(rf"{NAMESPACE}/([1-9][0-9]{{0,17}})/(head|meta)")
_STATE = re.compile(r"^State: (open|merged|closed)$", re.MULTILINE)
_STATES = {str(state): state for state in State}
_SUBJECT_LENGTH = 100
_ADDRESSED = "Last word: a person"


class BrokenChain(ForgeError):
    """The kept events of a pull request cannot be understood."""

    def __init__(self, ref: str, commit: str, problem: str) -> None:
        super().__init__(
            f"{ref} is damaged at commit {commit}: {problem} Look at it with"
            f" `git show {commit}`; if a newer version wrote it, update this program; else put"
            f" back the last good commit with `git update-ref {ref} COMMIT`."
        )
        self.ref = ref
        self.commit = commit


@dataclass(frozen=True)
class Tip:
    """The newest event of a pull request. `state` is None when its message does not tell.

    `addressed` says that a person had the last word, the bot's at the verdict left out.
    """

    number: int
    commit: str
    state: State | None
    addressed: bool = False


def head_ref(number: int) -> str:
    """The ref that keeps the head commit of a pull request."""
    return f"{NAMESPACE}/{number}/head"


def meta_ref(number: int) -> str:
    """The ref of the chain of events of a pull request."""
    return f"{NAMESPACE}/{number}/meta"


def last_number(repository: Repository) -> int:
    """The greatest number that was given in this clone; 0 when there is none."""
    return max(known_numbers(repository), default=0)


def known_numbers(repository: Repository) -> frozenset[int]:
    """The numbers of the pull requests that are in this clone."""
    names = repository.git.text("for-each-ref", "--format=%(refname)", f"{NAMESPACE}/")
    found = (_NAME.fullmatch(name) for name in names.split("\n"))
    return frozenset(int(match[1]) for match in found if match)


_ALL = f"{NAMESPACE}/*/meta"
_FEW = 100  # refs that can be named in a command
_KEPT = 64  # folded pull requests


@dataclass(frozen=True)
class _Seen:
    """What the last call of `tips` found: by ref and commit, in order, and in git's words."""

    tips: Mapping[tuple[str, str], Tip] = field(default_factory=dict)
    ordered: Sequence[Tip] = ()
    listing: str = ""


_latest = _Seen()
_folded: dict[str, PullRequest] = {}  # by the commit of the tip, latest last


def forget() -> None:
    """Read all anew from the next call on, as a process does that has just begun."""
    global _latest, _folded
    _latest, _folded = _Seen(), {}


def tips(repository: Repository, number: int | None = None) -> Sequence[Tip]:
    """The tips of all chains in order of their numbers, or of one. Raises BrokenChain.

    A commit never changes: of all tips, only those are read that the last call did not find.
    """
    global _latest  # noqa: PLW0603 (replaced as a whole: any thread may read it meanwhile)
    if number is not None:
        return list(_read_tips(repository, meta_ref(number)).values())
    known = _latest
    if known.tips:
        listing = repository.git.text("for-each-ref", "--format=%(refname) %(objectname)", _ALL)
        if listing == known.listing:
            return known.ordered
        found = _read_new_tips(repository, listing, known.tips)
    else:
        found = _read_tips(repository, _ALL)
        listing = "\n".join(map(" ".join, found))
    if set(map(" ".join, found)) != set(listing.split("\n")):
        listing = ""  # a ref moved between the two readings: the next one compares tip by tip
    ordered = tuple(sorted(found.values(), key=lambda tip: tip.number))
    _latest = _Seen(found, ordered, listing)
    return ordered


def _read_new_tips(
    repository: Repository, listing: str, known: Mapping[tuple[str, str], Tip]
) -> dict[tuple[str, str], Tip]:
    """The tips in a listing of all; of those that are not `known` the commits are read."""
    found: dict[tuple[str, str], Tip] = {}
    new: list[str] = []
    for line in listing.split("\n"):
        name, _, commit = line.partition(" ")
        tip = known.get((name, commit))
        if tip:
            found[name, commit] = tip
        elif name:
            new.append(name)
    if new:
        found |= _read_tips(repository, *(new if len(new) <= _FEW else [_ALL]))
    return found


def _read_tips(repository: Repository, *refs: str) -> dict[tuple[str, str], Tip]:
    listing = repository.git.run(
        *("for-each-ref", "--format=%(refname) %(objectname) %(objecttype) %(contents:body)%00"),
        *refs,
    ).stdout.decode("utf-8", "replace")
    result: dict[tuple[str, str], Tip] = {}
    for entry in listing.split("\0\n"):
        name, _, rest = entry.partition(" ")
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        commit, kind, body = (*rest.split(" ", 2), "")[:3]
        if kind != "commit":
            raise BrokenChain(name, commit, f"It is a {kind}, not a commit.")
        state = _STATE.search(body)
        known = _STATES[state[1]] if state else None
        addressed = _ADDRESSED in body and _ADDRESSED in body.splitlines()
        result[name, commit] = Tip(int(match[1]), commit, known, addressed)
    return result


def read(repository: Repository, wanted: Sequence[Tip]) -> Iterator[PullRequest]:
    """The pull requests with these tips, in that order; two processes for all that are new.

    A commit never changes: what was read lately is not read again. Raises BrokenChain.
    """
    known = _folded
    news = _read_chains(repository, [tip for tip in wanted if tip.commit not in known])
    for tip in wanted:
        pull = known.get(tip.commit)
        if pull is None:
            pull = next(news)
            _keep_folded(tip.commit, pull)
        if pull.number != tip.number:
            raise BrokenChain(meta_ref(tip.number), tip.commit, f"It is about #{pull.number}.")
        yield pull


def _keep_folded(commit: str, pull: PullRequest) -> None:
    global _folded  # noqa: PLW0603 (replaced as a whole, as above)
    _folded = {**dict(list(_folded.items())[1 - _KEPT :]), commit: pull}


def _read_chains(repository: Repository, wanted: Sequence[Tip]) -> Iterator[PullRequest]:
    chains = _chains(repository, wanted)
    names = [f"{commit}:{EVENT_FILE}".encode() for chain in chains for commit in chain]
    objects = read_objects(repository.git, names, MAXIMUM_BYTES)
    for tip, chain in zip(wanted, chains, strict=True):
        pull: PullRequest | None = None
        for commit in chain:
            try:
                pull = apply(pull, commit, _event(next(objects)))
            except (InvalidEvent, FoldError) as error:
                raise BrokenChain(meta_ref(tip.number), commit, str(error)) from error
        assert pull is not None  # noqa: S101 (a chain has at least its tip)
        yield pull


def pulls(repository: Repository, state: State | None = None) -> tuple[PullRequest, ...]:
    """Pull requests in order of their numbers; all of them, or those in one state.

    Raises BrokenChain.
    """
    wanted = [tip for tip in tips(repository) if state is None or tip.state in {state, None}]
    found = read(repository, wanted)
    return tuple(pull for pull in found if state is None or pull.state is state)


def read_event(repository: Repository, ref: str, commit: str) -> Event:
    """The event that one commit, found by way of `ref`, holds. Raises BrokenChain."""
    name = f"{commit}:{EVENT_FILE}".encode()
    try:
        return _event(next(read_objects(repository.git, [name], MAXIMUM_BYTES)))
    except InvalidEvent as error:
        raise BrokenChain(ref, commit, str(error)) from error


def append(
    repository: Repository,
    parent: str | None,
    pull: PullRequest | None,
    events: Iterable[tuple[Event, Identity]],
) -> tuple[str, PullRequest]:
    """Write events after `parent`, which folds to `pull`; no ref moves yet.

    Returns the new tip and what the chain folds to then. Raises InvalidEvent and FoldError.
    """
    tip = parent
    for event, author in events:
        data = to_json(event)
        draft = apply(pull, "", event)  # refuses before anything is written
        entries = {EVENT_FILE: ("100644", repository.write_blob(data))}
        trees = _trees(event)
        if trees:
            entries["trees"] = ("040000", _keep(repository, trees))
        message = f"{_subject(event, draft)}\n\nState: {draft.state}\n"
        if _is_addressed(draft):
            message += f"{_ADDRESSED}\n"
        tip = repository.commit_tree(
            repository.write_tree(entries), [tip] if tip else [], message, author, event.at
        )
        pull = apply(pull, tip, from_json(data))
    if tip is None or pull is None:
        raise InvalidEvent("There is no event to write.")
    return tip, pull


def _is_addressed(pull: PullRequest) -> bool:
    """Whether a person had the last word.

    What the bot says as it ends one answers nobody: it may not know of the latest words.
    """
    said = pull.comments
    if said and said[-1].author.is_bot and said[-1].created_at == pull.closed_at:
        said = said[:-1]
    return bool(said) and not said[-1].author.is_bot


def _chains(repository: Repository, wanted: Sequence[Tip]) -> list[list[str]]:
    """The commits of each chain, oldest first."""
    if not wanted:
        return []
    lines = repository.git.text(
        "rev-list", "--parents", "--stdin", stdin="".join(f"{t.commit}\n" for t in wanted).encode()
    )
    parents = {line[0]: line[1:] for line in map(str.split, lines.split("\n"))}
    result: list[list[str]] = []
    for tip in wanted:
        chain = [tip.commit]
        while before := parents[chain[-1]]:
            if len(before) > 1:
                raise BrokenChain(meta_ref(tip.number), chain[-1], "It is a merge.")
            chain.append(before[0])
        result.append(chain[::-1])
    return result


def _event(entry: GitObject | None) -> Event:
    if entry is None or entry.kind != "blob":
        raise InvalidEvent(f"It has no file {EVENT_FILE}.")
    if entry.data is None:
        raise InvalidEvent(f"It has {entry.size:,} bytes; at most {MAXIMUM_BYTES:,} are read.")
    return from_json(entry.data)


def _trees(event: Event) -> set[str]:
    if not isinstance(event, Attempted):
        return set()
    return {event.merge_tree, *(run.tree for run in event.runs)}


def _keep(repository: Repository, trees: set[str]) -> str:
    try:
        return repository.write_tree({tree: ("040000", tree) for tree in trees})
    except GitFailed as error:
        raise InvalidEvent(f"It speaks of a tree that does not exist: {error.stderr}") from error


def _subject(event: Event, pull: PullRequest) -> str:
    title = event.title if isinstance(event, Opened) else pull.title
    return f"{event.kind}: {one_line(title, _SUBJECT_LENGTH)} (#{pull.number})"
