"""What people say on lines and approve, and how the bot does the like: reviews on GitHub.

Display where the bot writes: what it has to say stands in a comment as well, which is its record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from bot.forge.base import Approval, Author, Comment, Note
from bot.forge.github.answers import (
    MEMBERS,
    Answer,
    IssueComment,
    LineComment,
    Moment,
    Somebody,
    Text,
    parse_all,
)
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Forbidden, NotFound, Rejected, Uncertain
from bot.forge.github.records import Kind, kind_of
from runner.actions.documents import REVIEW_EDITS

_ON_LINE = "line-"
"""How the id of a comment on a line begins, to tell it from other comments."""
_SUMMARY = "review-"
"""The same for what a review says as a whole."""
_MOST_SUMMARIES = 100  # of one pull request, the latest


class Review(Answer):
    """A review. `commit_id` is what was looked at, `body` what it says as a whole."""

    id: int
    node_id: Text = ""
    user: Somebody
    state: str
    commit_id: Text = ""
    body: Text = ""
    submitted_at: Moment | None = None


class ReviewEdit(Answer):
    """Whether a review was edited; `lastEditedAt` is GitHub's own spelling."""

    id: str
    lastEditedAt: str | None = None  # noqa: N815 (GitHub's name)


class Reviews:
    """Reviews and comments on lines in one repository; `bot` is whose own are left out."""

    def __init__(self, client: GitHubClient, bot: Author) -> None:
        self._client = client
        self._bot = bot
        self._unedited: dict[int, str] = {}  # reviews, as they were said first

    def lines(self, number: int) -> tuple[LineComment, ...]:
        """All comments on lines of a pull request."""
        return tuple(parse_all(LineComment, self._client.list(f"pulls/{number}/comments")))

    def by_others(self, lines: Iterable[LineComment]) -> tuple[Comment, ...]:
        """What others said on lines, oldest first."""
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
            for each in sorted(lines, key=lambda each: each.id)
            if str(each.user.id) != self._bot.id
        )

    def of(self, number: int) -> list[Review]:
        """The reviews of a pull request that were submitted, oldest first."""
        found = parse_all(Review, self._client.list(f"pulls/{number}/reviews"))
        return [review for review in found if review.submitted_at is not None]

    def summaries(self, reviews: Sequence[Review]) -> tuple[Comment, ...]:
        """What others said in reviews as a whole."""
        own = self._bot.id
        said = [each for each in reviews if each.body.strip() and str(each.user.id) != own]
        said = said[-_MOST_SUMMARIES:]
        edited = self._edited(said)
        return tuple(
            Comment(
                id=f"{_SUMMARY}{each.id}",
                author=each.user.author(),
                body=each.body,
                created_at=each.submitted_at or 0,
                edited=each.id in edited,
            )
            for each in said
        )

    def _edited(self, reviews: Sequence[Review]) -> set[int]:
        """Which of these were edited, or may have been: only GitHub's other API tells."""
        unknown = [each for each in reviews if self._unedited.get(each.id) != each.body]
        if unknown:
            ids = [each.node_id for each in unknown]
            try:
                found = self._client.graphql(REVIEW_EDITS, {"ids": ids}).get("nodes")
            except (Rejected, Forbidden, NotFound):
                found = None
            edits = parse_all(ReviewEdit, [node for node in found or () if node])
            first = {edit.id for edit in edits if edit.lastEditedAt is None}
            self._unedited |= {each.id: each.body for each in unknown if each.node_id in first}
        return {each.id for each in reviews if self._unedited.get(each.id) != each.body}

    @staticmethod
    def approvals(reviews: Sequence[Review]) -> tuple[Approval, ...]:
        """Who approved which head; one that was dismissed, or followed by a request, is none."""
        latest: dict[int, Review] = {}
        for review in reviews:
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
        """A thumb up for what is done, a confused face for what is not; repeated it stays one.

        GitHub has no such signs for a review as a whole.
        """
        if comment.startswith(_SUMMARY):
            return
        kind = "pulls" if comment.startswith(_ON_LINE) else "issues"
        path = f"{kind}/comments/{comment.removeprefix(_ON_LINE)}/reactions"
        with contextlib.suppress(Rejected, Forbidden, NotFound, Uncertain):
            self._client.post(path, {"content": "+1" if obeyed else "confused"})


def waiting(comments: Iterable[IssueComment], own: int, word: str) -> dict[int, bool]:
    """Pull requests where somebody said `word` since the bot's own last comment.

    By number: whether a member of the repository is among those who wait. The record answers
    nobody: a verdict comes from a look that may not know of the latest words.
    """
    found: dict[int, bool] = {}
    for comment in sorted(comments, key=lambda each: each.id):
        kind = kind_of(comment) if comment.user.id == own else Kind.RELAY
        if kind is Kind.RECORD:
            continue
        if kind is not Kind.RELAY:
            found.pop(comment.issue, None)
        elif word in comment.body.casefold():
            member = comment.user.id == own or comment.author_association in MEMBERS
            found[comment.issue] = found.get(comment.issue, False) or member
    return found
