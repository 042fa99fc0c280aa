"""Carries out what `bot.people.plan` decided: the bot's word to people, and their orders.

What an order changes is either the comment that takes it (see `bot.people.orders`), so that
order and answer are one write; or, for the whole programme, a commit on the base branch that
names the comment, made before the answer and never twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.forge.base import Comment, Conflict, Forge
from bot.git import Identity, Repository
from bot.people import programme
from bot.people.commands import Verb
from bot.people.inbox import Inbox
from bot.people.orders import orders_of, told_reopened
from bot.people.plan import WAITING, Answer, AskApproval, ExplainReopened, PeopleAction, Review
from bot.people.record import Order, Record, hidden
from bot.people.review import review
from bot.people.words import answer_text, approval_text, reopened_text, summary
from bot.settings import Settings
from bot.snapshot import View

_SHOWN = {Verb.HOLD, Verb.RESUME, Verb.APPROVE, Verb.CLOSE, Verb.MERGE}
"""Orders that change what an experiment waits for."""


@dataclass(frozen=True)
class Spokesman:
    """Speaks to people on the bot's behalf. `now` gives seconds since 1970."""

    repository: Repository
    forge: Forge
    settings: Settings
    now: Callable[[], int]

    def carry_out(self, action: PeopleAction, view: View) -> str:
        """Do one of these and say so in a few words. Raises what `answer` raises."""
        match action:
            case Answer():
                self.answer(action, view)
                return f"#{action.number}: answered a comment: {summary(action)}"
            case Review():
                self.review(action, view)
                return f"#{action.number}: reviewed"
            case AskApproval():
                self.ask_approval(action, view)
                return f"#{action.number}: waits for an approval of its head"
            case ExplainReopened():
                self.explain_reopened(action)
                return f"#{action.number}: was opened again; its verdict stands"

    def answer(self, action: Answer, view: View) -> None:
        """Answer a comment and take its orders.

        Raises Conflict when it was answered meanwhile, or when its author may not give orders
        any more; nothing was done then.
        """
        orders = tuple(reply.order for reply in action.replies if reply.order)
        self._check(action, with_orders=bool(orders))
        steering = [order for order in orders if order.verb in {Verb.PAUSE, Verb.START}]
        if steering and action.comment not in view.programme.comments:
            self._steer(steering[-1], action, view)
        record = Record(answers=action.comment, also=action.also, orders=orders)
        obeyed = all(reply.order or reply.command.verb is Verb.HELP for reply in action.replies)
        self.forge.react(action.number, action.comment, obeyed=obeyed)
        self._say(action.number, record, answer_text(action))
        if any(order.verb in _SHOWN for order in orders):
            self._show(action.number)

    def review(self, action: Review, view: View) -> None:
        """Say what the bot sees in a person's experiment."""
        found = review(self.repository, self.settings, view, view.standing(action.number))
        self.forge.review(action.number, self.forge.bot, found.body, found.notes)

    def ask_approval(self, action: AskApproval, view: View) -> None:
        """Say why somebody else's head is not measured, once for each head."""
        pull = view.standing(action.number).pull
        text = approval_text(pull.head, pull.author.name)
        self._say(action.number, Record(awaits=pull.head), text)
        self._show(action.number)

    def explain_reopened(self, action: ExplainReopened) -> None:
        """Say what opening an ended experiment again does not do, once. Raises Conflict."""
        pull = self.forge.pull(action.number)
        if pull.verdict is None or told_reopened(pull, self.forge.bot):
            raise Conflict(f"Nothing is left to say of #{action.number}.")
        self._say(action.number, Record(reopened=True), reopened_text(pull.verdict.reason))

    def _check(self, action: Answer, *, with_orders: bool) -> None:
        """Look again at the last moment: since the snapshot a run may have been made."""
        pull = self.forge.pull(action.number)
        if action.comment in orders_of(pull, self.forge.bot).answered:
            raise Conflict(f"A comment on #{action.number} has its answer already.")
        comment = next((each for each in pull.comments if each.id == action.comment), None)
        if comment is None or (with_orders and not self._may_order(comment)):
            raise Conflict(f"What a comment on #{action.number} orders may not be obeyed now.")

    def _may_order(self, comment: Comment) -> bool:
        return not comment.edited and Inbox(self.forge).may_write(comment.author)

    def _steer(self, order: Order, action: Answer, view: View) -> None:
        """Pause or start the programme: a commit that changes no file."""
        base = view.snapshot.base
        text = programme.message(
            paused=order.verb is Verb.PAUSE,
            by=order.by,
            number=action.number,
            comment=action.comment,
        )
        tree, who = self.repository.tree(base), Identity(self.forge.bot.name, self.forge.bot.id)
        commit = self.repository.commit_tree(tree, [base], text, who, self.now())
        self.forge.advance(base=base, commit=commit)

    def _show(self, number: int) -> None:
        """Label what an experiment waits for: for display, the answers alone count."""
        pull = self.forge.pull(number)
        label = Inbox(self.forge).footing(pull, (), "").label
        labels = pull.labels - WAITING | ({label} if label else set())
        if labels != pull.labels:
            self.forge.set_labels(number, labels)

    def _say(self, number: int, record: Record, text: str) -> None:
        self.forge.comment(number, self.forge.bot, hidden(record) + text)
