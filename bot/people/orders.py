"""Where an experiment stands by the word of people: a fold over what the bot has on record.

An order was judged when the bot took it, by the permission of then; it stays in force whatever
becomes of the person, of the comment or of the bot. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from bot.forge.base import Author, PullRequest
from bot.people.commands import Verb
from bot.people.record import Order, Record, record_of


@dataclass(frozen=True)
class Asked:
    """A revision that a person asked for: the comment, and what to do."""

    request: str
    guidance: str


@dataclass(frozen=True)
class Orders:
    """What is in force. `ending` is the last order to close or merge, not yet carried out."""

    held: bool = False
    ending: Order | None = None
    rerun: Order | None = None
    revisions: tuple[Asked, ...] = ()
    approved: frozenset[str] = frozenset()  # heads
    reviewed: frozenset[str] = frozenset()  # heads
    awaited: frozenset[str] = frozenset()  # heads for which an approval was asked for
    answered: frozenset[str] = field(default_factory=frozenset)  # ids of comments


def orders_of(pull: PullRequest, bot: Author, revised: Collection[str] = ()) -> Orders:
    """Everything that is in force on a pull request.

    `revised` are the requests for a revision that were answered. A rerun is fulfilled by any
    attempt that began after it was taken.
    """
    records = [found for comment in pull.comments if (found := record_of(comment, bot))]
    answers: dict[str, Record] = {}
    for record in records:
        if record.answers:
            answers.setdefault(record.answers, record)
    taken = [order for record in answers.values() for order in record.orders]
    holding = [order for order in taken if order.verb in {Verb.HOLD, Verb.RESUME}]
    endings = [order for order in taken if order.verb in {Verb.CLOSE, Verb.MERGE}]
    reruns = [order for order in taken if order.verb is Verb.RERUN]
    due = bool(reruns) and len(pull.attempts) <= reruns[-1].attempts
    return Orders(
        held=bool(holding) and holding[-1].verb is Verb.HOLD,
        ending=endings[-1] if endings else None,
        rerun=reruns[-1] if due else None,
        revisions=tuple(_revisions(answers, revised)),
        approved=frozenset(order.text for order in taken if order.verb is Verb.APPROVE),
        reviewed=frozenset(record.reviewed for record in records if record.reviewed),
        awaited=frozenset(record.awaits for record in records if record.awaits),
        answered=frozenset(answers).union(*(record.also for record in answers.values())),
    )


def told_reopened(pull: PullRequest, bot: Author) -> bool:
    """Whether it was said there that the verdict stands although it was opened again."""
    records = (record_of(comment, bot) for comment in pull.comments)
    return any(record.reopened for record in records if record)


def _revisions(answers: Mapping[str, Record], revised: Collection[str]) -> Iterator[Asked]:
    """One for each comment that asked and was not followed yet; oldest first."""
    for request, record in answers.items():
        texts = [order.text for order in record.orders if order.verb is Verb.REVISE]
        if texts and request not in revised:
            yield Asked(request, "\n".join(texts))
