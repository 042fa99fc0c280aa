"""What a write expects of a pull request, in every forge; where it is otherwise, it is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from bot.forge.base import Attempt, Conflict, ForgeError, PullRequest, State
from bot.forge.events import InvalidEvent, explain
from bot.forge.fold import FoldError


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what events and fold refuse into a ForgeError."""
    try:
        yield
    except ValidationError as error:
        raise ForgeError(f"This cannot be kept: {explain(error)}") from error
    except (InvalidEvent, FoldError) as error:
        raise ForgeError(f"This cannot be kept: {error}") from error


def require_open(pull: PullRequest) -> None:
    """Raises Conflict when the pull request has ended."""
    if pull.state is not State.OPEN:
        raise Conflict(f"#{pull.number} is {pull.state} already.")


def require_head(pull: PullRequest, head: str) -> None:
    """Raises Conflict when the pull request has another head."""
    if pull.head != head:
        raise Conflict(f"The head of #{pull.number} is {pull.head}, expected {head}.")


def require_room_for(pull: PullRequest, attempt: Attempt) -> None:
    """Raises Conflict when the attempt is not about the open head, or was begun already."""
    number = pull.number
    if pull.state is not State.OPEN or pull.head != attempt.head:
        raise Conflict(f"#{number} is {pull.state} at {pull.head}, not at {attempt.head}.")
    if any(other.id == attempt.id for other in pull.attempts):
        raise Conflict(f"#{number} has an attempt {attempt.id!r} already.")


def require_no_result(pull: PullRequest, attempt: str, indices: Collection[int]) -> None:
    """Raises Conflict when one of these runs of an attempt has its result."""
    for known in pull.attempts:
        if known.id == attempt and (taken := sorted(set(indices) & set(known.results))):
            raise Conflict(f"Run {taken[0]} of {attempt!r} in #{pull.number} has its result.")


def require_descent(is_ancestor: Callable[[str, str], bool], old: str, new: str) -> None:
    """Raises ForgeError when commit `new` does not contain `old`, as `is_ancestor` tells."""
    if old != new and not is_ancestor(old, new):
        raise ForgeError(f"{new} does not contain {old}; branches only move forward.")
