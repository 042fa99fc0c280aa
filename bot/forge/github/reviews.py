"""What people say on lines and approve, and how the bot does the like: reviews on GitHub.

Display where the bot writes: what it has to say stands in a comment as well, which is its record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from bot.forge.base import Approval, Author, Comment, Note
from bot.forge.github.answers import Answer, IssueComment, Moment, Somebody, Text, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Forbidden, NotFound, Rejected, Uncertain
from bot.forge.github.records import is_relay

_ON_LINE = "line-"
"""How the id of a comment on a line begins, to tell it from other comments."""


class LineComment(Answer):
    """A comment on a line of a pull request. `line` is None where that line is gone."""

    id: int
    user: Somebody
    body: Text = ""
    path: str
    line: int | None = None
    original_line: int | None = None
    created_at: Moment
    updated_at: Moment


class Review(Answer):
    """A review. `commit_id` is what was looked at."""

    user: Somebody
    state: str
    commit_id: Text = ""


class Reviews:
    """Reviews and comments on lines in one repository; `bot` is whose own are left out."""

    def __init__(self, client: GitHubClient, bot: Author) -> None:
        self._client = client
        self._bot = bot

    def lines(self, number: int) -> tuple[Comment, ...]:
        """What others said on lines of a pull request, oldest first."""
        found = parse_all(LineComment, self._client.list(f"pulls/{number}/comments"))
        return tuple(
            Comment(
                id=f"{_ON_LINE}{each.id}",
                author=each.user.author(),
                body=each.body,
                created_at=each.created_at,
                edited=each.updated_at != each.created_at,
                path=each.path,
                line=each.line or each.original_line,
            )
            for each in found
            if str(each.user.id) != self._bot.id
        )

    def approvals(self, number: int) -> tuple[Approval, ...]:
        """Who approved which head; one that was dismissed, or followed by a request, is none."""
        latest: dict[int, Review] = {}
        for review in parse_all(Review, self._client.list(f"pulls/{number}/reviews")):
            if review.state in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}:
                latest[review.user.id] = review
        return tuple(
            Approval(review.user.author(), review.commit_id)
            for review in latest.values()
            if review.state == "APPROVED"
        )

    def show(self, number: int, head: str, notes: Sequence[Note]) -> None:
        """Show notes on their lines, as far as GitHub can: it refuses lines outside the diff."""
        said = [
            {"path": note.path, "line": note.line, "side": "RIGHT", "body": note.body}
            for note in notes
        ]
        review = {"commit_id": head, "event": "COMMENT", "comments": said}
        with contextlib.suppress(Rejected, Forbidden, Uncertain):
            self._client.post(f"pulls/{number}/reviews", review)

    def react(self, comment: str, *, obeyed: bool) -> None:
        """A thumb up for what is done, a confused face for what is not; repeated it stays one."""
        kind = "pulls" if comment.startswith(_ON_LINE) else "issues"
        path = f"{kind}/comments/{comment.removeprefix(_ON_LINE)}/reactions"
        with contextlib.suppress(Rejected, Forbidden, NotFound, Uncertain):
            self._client.post(path, {"content": "+1" if obeyed else "confused"})

    def addressed(self, word: str) -> tuple[int, ...]:
        """Pull requests where somebody said `word` since the bot's own last comment.

        Of the latest hundred comments in the repository.
        """
        answer = self._client.get("issues/comments", sort="updated", direction="desc", per_page=100)
        comments = parse_all(IssueComment, answer if isinstance(answer, list) else [])
        return tuple(sorted(_waiting(comments, int(self._bot.id), word)))


def _waiting(comments: Iterable[IssueComment], own: int, word: str) -> set[int]:
    waiting: set[int] = set()
    for comment in sorted(comments, key=lambda each: each.id):
        if comment.user.id == own and not is_relay(comment):
            waiting.discard(comment.issue)
        elif word in comment.body.casefold():
            waiting.add(comment.issue)
    return waiting
