"""What people's word makes the bot do: answers to commands, reviews, questions. Pure.

`bot.decide` puts these actions in their place among the others; `bot.people.execute` carries
them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.model import Reason, Verdict
from bot.people.commands import Command, Verb
from bot.people.orders import Orders
from bot.people.record import Order
from bot.text.plain import one_line

HELD = "held"
NEEDS_APPROVAL = "needs-approval"
WAITING = frozenset({HELD, NEEDS_APPROVAL})
"""Labels that say what an experiment waits for."""


@dataclass(frozen=True)
class Request:
    """A comment with commands that has no answer yet.

    `may_write` is what its author was allowed when the snapshot was taken. Of somebody who may
    not, all that was said on one pull request is one request: `also` are the other comments.
    """

    number: int
    comment: str  # its id
    by: str  # name of its author: text from outside
    commands: tuple[Command, ...]
    may_write: bool
    edited: bool = False
    at: int = 0  # seconds since 1970
    author: str = ""  # stable id of its author
    also: tuple[str, ...] = ()  # ids


@dataclass(frozen=True)
class Footing:
    """How an open experiment stands with people; the default is one of the bot's own."""

    orders: Orders = field(default_factory=Orders)
    attempts: int = 0
    unreviewed: bool = False  # a person's, and the bot has said nothing of it yet
    unapproved: bool = False  # somebody else's, and nobody who may has approved this head
    asked: bool = False  # that was said already of this head
    unrevisable: str = ""  # why no proposer writes to it; empty: one does

    @property
    def label(self) -> str:
        """The label for what it waits for, of which there is one at most; empty if for nobody."""
        if self.orders.ending:
            return ""
        if self.orders.held:
            return HELD
        return NEEDS_APPROVAL if self.unapproved and self.asked else ""


@dataclass(frozen=True)
class Reply:
    """What becomes of one command, in words; `order` is what was taken, None if refused."""

    command: Command
    words: str
    order: Order | None = None


@dataclass(frozen=True)
class Answer:
    """Answer a comment, once, and take the orders in it; `also` are answered with it."""

    number: int
    comment: str
    replies: tuple[Reply, ...]
    with_help: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Review:
    """Say of a person's experiment what the bot sees: policy findings, similar experiments."""

    number: int


@dataclass(frozen=True)
class AskApproval:
    """Say that somebody else's head is not measured before a person with permission agrees."""

    number: int


@dataclass(frozen=True)
class ExplainReopened:
    """Say that an experiment which somebody opened again has ended all the same."""

    number: int


PeopleAction = Answer | Review | AskApproval | ExplainReopened


@dataclass(frozen=True)
class Subject:
    """What a comment is about: an experiment that is open, or none any more.

    `obstacle` says why it could not be merged even by override; empty: it could.
    """

    head: str = ""
    footing: Footing | None = None
    obstacle: str = ""


def answer(request: Request, subject: Subject, *, paused: bool) -> Answer:
    """What to answer to a comment, command by command."""
    replies: list[Reply] = []
    held = bool(subject.footing and subject.footing.orders.held)
    for command in request.commands:
        reply = _reply(request, command, subject, held=held, paused=paused)
        replies.append(reply)
        if reply.order:
            held = {Verb.HOLD: True, Verb.RESUME: False}.get(reply.order.verb, held)
            paused = {Verb.PAUSE: True, Verb.START: False}.get(reply.order.verb, paused)
    lost = any(reply.command.verb in {None, Verb.HELP} for reply in replies)
    return Answer(
        request.number, request.comment, tuple(replies), with_help=lost, also=request.also
    )


def _reply(
    request: Request, command: Command, subject: Subject, *, held: bool, paused: bool
) -> Reply:
    verb = command.verb
    if command.malformed or verb is None:
        return Reply(command, f"Not done: {command.malformed}.")
    if verb is Verb.HELP:
        return Reply(command, "These are the commands.")
    refused = _refused(request, verb, subject)
    if refused:
        return Reply(command, f"Not done: {refused}")
    if verb is Verb.APPROVE and not command.approves(subject.head):
        return Reply(
            command,
            f"Not done: the head is `{subject.head}` now. Look at that one, and name it whole.",
        )
    order = Order(
        verb=verb,
        text=command.text,
        by=one_line(request.by, 80),
        head=subject.head,
        attempts=subject.footing.attempts if subject.footing else 0,
    )
    return Reply(command, _accepted(verb, held=held, paused=paused), order)


def _refused(request: Request, verb: Verb, subject: Subject) -> str:
    """Why an order is not taken; empty when it is."""
    if not request.may_write:
        return "only people with write permission may give orders."
    if request.edited:
        return "the comment was edited, and only what was said first counts. Say it anew."
    if verb in {Verb.PAUSE, Verb.START}:
        return ""
    footing = subject.footing
    if footing is None:
        return (
            "this experiment has ended. What is on its branch can become a new one: "
            "`python -m bot open BRANCH`."
        )
    if verb is Verb.MERGE:
        return subject.obstacle
    if verb is Verb.REVISE:
        return footing.unrevisable
    return ""


_ACCEPTED = {
    Verb.RERUN: "It is measured once more before its verdict; every result counts.",
    Verb.CLOSE: "It is closed as `by-human`.",
    Verb.MERGE: "It is merged on your word and recorded as `unmeasured`: no claim is made, and "
    "the baseline is measured anew.",
    Verb.REVISE: "The proposer is asked for a new commit here, which is measured afresh.",
    Verb.APPROVE: "This head may be measured. Another one needs another approval.",
}


def _accepted(verb: Verb, *, held: bool, paused: bool) -> str:
    match verb:
        case Verb.HOLD:
            state = "It is held already" if held else "It is held"
            return f"{state}: neither measured nor judged before `/bot resume`."
        case Verb.RESUME:
            return "It goes on." if held else "It was not held; it goes on."
        case Verb.PAUSE:
            state = "The programme is paused already" if paused else "The programme is paused"
            return (
                f"{state}: nothing is proposed, measured or judged before `/bot start`. A run "
                "that is being made is finished."
            )
        case Verb.START:
            return "The programme goes on." if paused else "The programme was not paused."
        case _:
            return _ACCEPTED[verb]


def paused_text(by: str) -> str:
    """What is said when nothing is done because the programme is paused."""
    return (
        f"{by} paused the programme. It goes on after `/bot start` in a comment on any pull "
        "request: python -m bot comment NUMBER '/bot start'."
    )


def verdict_by_order(footing: Footing, head: str, obstacle: str) -> Verdict | None:
    """The verdict that a person has given by command, if it can be carried out."""
    order = footing.orders.ending
    if order is None:
        return None
    by = order.by or "A person"
    if order.verb is Verb.CLOSE:
        reason = f": {order.text}" if order.text else "."
        return Verdict(Reason.BY_HUMAN, f"{by} closed it by command{reason}")
    if obstacle or order.head != head:
        return None  # what was meant to be merged is not there any more
    text = (
        f"{by} had this merged by command, before a verdict was reached: no claim is made. The "
        "base branch is measured anew before the next comparison."
    )
    return Verdict(Reason.UNMEASURED, text)
