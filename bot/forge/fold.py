"""From events to a pull request: pure, and the one place that says what may follow what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.forge.base import Attempt, Comment, PullRequest, State
from bot.forge.events import (
    Attempted,
    Checked,
    Closed,
    Commented,
    Event,
    Labelled,
    Measured,
    Merged,
    Opened,
    Pushed,
)
from bot.model import Outcome


class FoldError(ValueError):
    """An event that cannot follow the ones before it."""


def fold(events: Iterable[tuple[str, Event]]) -> PullRequest:
    """The pull request after all events, oldest first, each with the id of its commit.

    Raises FoldError.
    """
    pull: PullRequest | None = None
    for commit, event in events:
        pull = apply(pull, commit, event)
    if pull is None:
        raise FoldError("There is no event at all.")
    return pull


def apply(pull: PullRequest | None, commit: str, event: Event) -> PullRequest:
    """The pull request after one more event. Raises FoldError.

    Comments, labels, checks and late results are kept after the end; nothing else is.
    """
    if isinstance(event, Opened):
        if pull is not None:
            raise FoldError("It was opened already.")
        return _opened(event)
    if pull is None:
        raise FoldError(f"The first event must be 'opened', not '{event.kind}'.")
    if pull.state is not State.OPEN and isinstance(event, Pushed | Attempted | Merged | Closed):
        raise FoldError(f"It is {pull.state} already; '{event.kind}' cannot follow.")
    match event:
        case Commented():
            comment = Comment(
                id=commit,
                author=event.author.author(),
                body=event.body,
                created_at=event.at,
                path=event.path,
                line=event.line,
            )
            pull = replace(pull, comments=(*pull.comments, comment))
        case Labelled():
            pull = replace(pull, labels=frozenset(event.labels))
        case Checked():
            pull = replace(pull, checks=(*pull.checks, event.check()))
        case Pushed():
            pull = replace(pull, head=event.head)
        case Attempted():
            pull = _attempted(pull, event)
        case Measured():
            pull = _measured(pull, event)
        case Merged() | Closed():
            pull = _ended(pull, event)
    return pull


def _opened(event: Opened) -> PullRequest:
    return PullRequest(
        number=event.number,
        branch=event.branch,
        head=event.head,
        title=event.title,
        body=event.body,
        author=event.author.author(),
        state=State.OPEN,
        created_at=event.at,
        record=event.record,
    )


def _attempted(pull: PullRequest, event: Attempted) -> PullRequest:
    if event.head != pull.head:
        raise FoldError(f"Attempt {event.id!r} is for head {event.head}, not {pull.head}.")
    if any(attempt.id == event.id for attempt in pull.attempts):
        raise FoldError(f"There is an attempt {event.id!r} already.")
    attempt = Attempt(
        id=event.id,
        base=event.base,
        head=event.head,
        merge_tree=event.merge_tree,
        runs=tuple(run.run() for run in event.runs),
        results={},
        created_at=event.at,
    )
    return replace(pull, attempts=(*pull.attempts, attempt))


def _measured(pull: PullRequest, event: Measured) -> PullRequest:
    attempt = next((known for known in pull.attempts if known.id == event.attempt), None)
    if attempt is None:
        raise FoldError(f"There is no attempt {event.attempt!r}.")
    if event.index >= len(attempt.runs):
        raise FoldError(f"Attempt {attempt.id!r} has {len(attempt.runs)} runs, no {event.index}.")
    if event.index in attempt.results:
        raise FoldError(f"Run {event.index} of attempt {attempt.id!r} has a result already.")
    measured = replace(attempt, results={**attempt.results, event.index: event.result})
    attempts = tuple(measured if known is attempt else known for known in pull.attempts)
    return replace(pull, attempts=attempts)


def _ended(pull: PullRequest, event: Merged | Closed) -> PullRequest:
    state = State.MERGED if isinstance(event, Merged) else State.CLOSED
    verdict = event.verdict.verdict()
    if (verdict.outcome is Outcome.MERGED) != (state is State.MERGED):
        raise FoldError(f"The reason {verdict.reason} does not go with '{event.kind}'.")
    if event.head not in {None, pull.head}:
        raise FoldError(f"The head that was judged is {event.head}, not {pull.head}.")
    return replace(pull, state=state, verdict=verdict, closed_at=event.at)
