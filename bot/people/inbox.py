"""Reads what people have said and may do: requests without an answer, standing of experiments.

Reads the forge. Permission is asked for here, when it matters, and again by
`bot.people.execute` before an order is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from bot.forge.base import Author, Forge, Permission, PullRequest
from bot.people.commands import commands_in, without_commands
from bot.people.orders import Asked, orders_of
from bot.people.plan import Footing, Request
from bot.people.record import is_own, record_of


@dataclass
class Inbox:
    """People's word on the pull requests of one forge, as it is during one snapshot."""

    forge: Forge
    _permissions: dict[str, bool] = field(default_factory=dict)

    def may_write(self, author: Author) -> bool:
        """Whether somebody may give orders; each person is asked about once."""
        if author.is_bot:
            return is_own(author, self.forge.bot)
        if author.id not in self._permissions:
            allowed = self.forge.permission(author) is Permission.WRITE
            self._permissions[author.id] = allowed
        return self._permissions[author.id]

    def requests(self, pulls: Iterable[PullRequest]) -> tuple[Request, ...]:
        """Comments by people with commands that were not answered, in the order they were made."""
        found = [request for pull in pulls for request in self._requests(pull)]
        return tuple(sorted(found, key=lambda request: request.at))

    def _requests(self, pull: PullRequest) -> Iterator[Request]:
        answered = orders_of(pull, self.forge.bot).answered
        for comment in pull.comments:
            if comment.author.is_bot or comment.id in answered:
                continue
            commands = commands_in(comment.body)
            if commands:
                yield Request(
                    number=pull.number,
                    comment=comment.id,
                    by=comment.author.name,
                    commands=commands,
                    may_write=self.may_write(comment.author),
                    edited=comment.edited,
                    at=comment.created_at,
                )

    def footing(self, pull: PullRequest, revised: Collection[str], unrevisable: str) -> Footing:
        """How an open experiment stands with people.

        `revised` are requests for a revision that were answered; `unrevisable` says why no
        proposer revises experiments here, empty where one does.
        """
        orders = orders_of(pull, self.forge.bot, revised)
        if orders.revisions:
            orders = replace(orders, revisions=self._with_notes(pull, orders.revisions, revised))
        own = is_own(pull.author, self.forge.bot)
        if not own:
            unrevisable = (
                "this branch is a person's, and the bot never writes to one. Commit to it, and "
                "the new head is measured."
            )
        return Footing(
            orders=orders,
            attempts=len(pull.attempts),
            unreviewed=not own and not orders.reviewed,
            unapproved=not own and not self._approved(pull, orders.approved),
            asked=pull.head in orders.awaited,
            unrevisable=unrevisable,
        )

    def _with_notes(
        self, pull: PullRequest, asked: Sequence[Asked], revised: Collection[str]
    ) -> tuple[Asked, ...]:
        """The first of the revisions with what people said of lines since the last one."""
        notes: list[str] = []
        for comment in pull.comments:
            record = record_of(comment, self.forge.bot)
            if record and record.answers in revised:
                notes.clear()  # these are in a revision that was made
            if comment.path is None or comment.author.is_bot:
                continue
            text = without_commands(comment.body)
            if text and self.may_write(comment.author):
                place = comment.path if comment.line is None else f"{comment.path}:{comment.line}"
                notes.append(f"{place} ({comment.author.name}): {text}")
        if not notes:
            return tuple(asked)
        said = "\n".join([asked[0].guidance, "Comments on lines:", *notes])
        return (replace(asked[0], guidance=said), *asked[1:])

    def _approved(self, pull: PullRequest, by_command: Collection[str]) -> bool:
        """Whether this head may be measured: its author may write here, or somebody agreed."""
        if not pull.fork and self.may_write(pull.author):
            return True
        return pull.head in by_command or any(
            approval.head == pull.head and self.may_write(approval.author)
            for approval in pull.approvals
        )
