"""Reads what people have said and may do: requests without an answer, standing of experiments.

Reads the forge. Permission is asked for here, when it matters, and again by
`bot.people.execute` before an order is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from bot.forge.base import Author, Comment, Forge, Permission, PullRequest
from bot.people.commands import (
    MOST_COMMANDS,
    commands_in,
    mentions_commands,
    without_commands,
)
from bot.people.orders import Asked, orders_of, told_reopened
from bot.people.plan import Footing, Request
from bot.people.record import is_own, record_of

MOST_TOGETHER = 100
"""So many comments of somebody who may give no orders are looked at, the latest, and answered
together."""


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
        """Comments by people with commands that were not answered, in the order they were made.

        Those of people who may give orders come first. Of anybody else, all comments on one
        pull request are one request.
        """
        found = [request for pull in pulls for request in self._requests(pull)]
        return tuple(sorted(found, key=lambda request: (not request.may_write, request.at)))

    def _requests(self, pull: PullRequest) -> Iterator[Request]:
        answered = orders_of(pull, self.forge.bot).answered
        by_author: dict[str, list[Comment]] = {}
        for comment in pull.comments:
            told = not comment.author.is_bot and comment.id not in answered
            if told and mentions_commands(comment.body):
                by_author.setdefault(comment.author.id, []).append(comment)
        for comments in by_author.values():
            if self.may_write(comments[0].author):
                for comment in comments:
                    yield from _together(pull.number, [comment], may_write=True)
            else:
                yield from _together(pull.number, comments[-MOST_TOGETHER:], may_write=False)

    def reopened(self, pulls: Iterable[PullRequest]) -> tuple[int, ...]:
        """Those of these pull requests of which nobody was told that their verdict stands."""
        return tuple(pull.number for pull in pulls if not told_reopened(pull, self.forge.bot))

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


def _together(number: int, comments: Sequence[Comment], *, may_write: bool) -> Iterator[Request]:
    """The request that these comments of one person are, if there is a command in any."""
    said = [(comment, found) for comment in comments if (found := commands_in(comment.body))]
    if not said:
        return
    first = said[0][0]
    commands = [command for _, found in said for command in found]
    yield Request(
        number=number,
        comment=first.id,
        by=first.author.name,
        commands=tuple(commands[:MOST_COMMANDS]),
        may_write=may_write,
        edited=first.edited,
        at=first.created_at,
        author=first.author.id,
        also=tuple(comment.id for comment, _ in said[1:]),
    )
