"""From GitHub's answers to pull requests: what the API shows, and the events of the record.

Pure but for the questions to git that `Reader` is given. The events of the bot's own comments
are folded in the order in which they were written; one that cannot follow is left out, so that
of two bots that write the same thing the first one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.forge.base import Author, Check, Comment, Conclusion, PullRequest, State
from bot.forge.events import (
    Attempted,
    Closed,
    Commented,
    Labelled,
    Measured,
    Merged,
    Opened,
    Pushed,
)
from bot.forge.fold import FoldError, apply
from bot.forge.github.answers import CheckRun, IssueComment, Pull, User
from bot.forge.github.records import Kind, Recorded, Said, read
from bot.forge.github.states import managed
from bot.model import Verdict

CHECK_NAME = "mergelab"


@dataclass(frozen=True)
class Reader:
    """What reading needs to know: whose comments count, and where branches are.

    `tip` gives where the branch of a pull request is now, and `is_ancestor(old, new)` whether
    the history of `new` has `old`. `verdicts` are those of the ledger by number: they stand even
    where the record in the comments is gone.
    """

    bot: Author
    tip: Callable[[Pull], str | None]
    is_ancestor: Callable[[str, str], bool]
    verdicts: Callable[[], Mapping[int, Verdict]]

    def pull(
        self, shown: Pull, comments: Sequence[IssueComment], runs: Iterable[CheckRun] = ()
    ) -> PullRequest:
        """The pull request that these answers are about."""
        own = int(self.bot.id)
        entries = read(comments, own)
        pull = self._opened(shown, entries)
        for entry in entries:
            pull = (
                self._said(pull, entry) if isinstance(entry, Said) else self._happened(pull, entry)
            )
        pull = self._ended(shown, pull)
        head = pull.head if pull.verdict else self._head(shown, pull.head)
        return replace(pull, head=head, checks=_checks(runs, apps_of(comments, own)))

    def _head(self, shown: Pull, recorded: str) -> str:
        """The head without a verdict: the branch, while it goes on from what was recorded."""
        tip = self.tip(shown)
        forward = tip is not None and (tip == recorded or self.is_ancestor(recorded, tip))
        return tip if tip is not None and forward else recorded

    def _opened(self, shown: Pull, entries: Sequence[Said | Recorded]) -> PullRequest:
        opened = next(
            (
                entry.event
                for entry in entries
                if isinstance(entry, Recorded) and isinstance(entry.event, Opened)
            ),
            None,
        )
        return PullRequest(
            number=shown.number,
            branch=shown.head.ref,
            head=opened.head if opened else self.tip(shown) or shown.head.sha,
            title=shown.title,
            body=shown.body,
            author=self._author(shown.user, opened),
            state=State.OPEN,
            created_at=shown.created_at,
            record=opened.record if opened else {"proposer": shown.user.login},
            labels=frozenset(name for name in shown.names if not managed(name)),
        )

    def _author(self, user: User, opened: Opened | None) -> Author:
        """Who opened it: through the bot's credential a person may have done so too."""
        if opened is None or str(user.id) != self.bot.id:
            return user.author()
        return self.bot if opened.author.is_bot else Author(user.login, str(user.id))

    def _said(self, pull: PullRequest, said: Said) -> PullRequest:
        comment = said.comment
        author, body = comment.user.author(), said.body
        if said.kind is Kind.COMMENT and not comment.edited:
            author = self.bot
        elif said.kind is Kind.COMMENT:  # what somebody changed is the bot's word no longer
            author = Author(f"{author.name} (edited)", "0", is_bot=True)
        elif body.startswith("<!--"):
            body = f"\n{body}"  # words passed on cannot pass for what the bot notes of itself
        if said.kind is Kind.RELAY:  # whoever holds the credential is a person who may write
            author = Author(author.name, author.id)
        made = Comment(str(comment.id), author, body, comment.created_at, edited=comment.edited)
        return replace(pull, comments=(*pull.comments, made))

    def _happened(self, pull: PullRequest, entry: Recorded) -> PullRequest:
        """The pull request after one more event, or as it was when that cannot follow."""
        event, name = entry.event, str(entry.id)
        if isinstance(event, Opened | Pushed | Commented | Labelled):
            return pull  # GitHub itself tells of these
        if isinstance(event, Attempted | Merged | Closed) and event.head:
            pull = replace(pull, head=event.head)
        try:
            after = apply(pull, name, event)
        except FoldError:
            return pull
        if isinstance(event, Merged | Closed) and entry.text:
            last = Comment(name, self.bot, entry.text, event.at)
            after = replace(after, comments=(*after.comments, last))
        return after

    def _ended(self, shown: Pull, pull: PullRequest) -> PullRequest:
        """Closed when the record or the ledger says so; GitHub's own state is a person's wish."""
        verdict = pull.verdict or self.verdicts().get(pull.number)
        if verdict is None:
            return pull
        state = State.MERGED if verdict.merged else State.CLOSED
        closed_at = shown.closed_at or pull.closed_at or shown.created_at
        return replace(pull, state=state, verdict=verdict, closed_at=closed_at)


def is_first(comments: Sequence[IssueComment], own: int, key: str) -> bool:
    """Whether what was written with `key` is the first of its kind, and so the one that counts."""
    seen: set[tuple[str, ...]] = set()
    mine: set[tuple[str, ...]] = set()
    for entry in read(comments, own):
        if isinstance(entry, Recorded):
            (mine if entry.key == key else seen).add(_claim(entry))
        if mine and not (isinstance(entry, Recorded) and entry.key == key):
            break
    return bool(mine) and not mine & seen


def _claim(entry: Recorded) -> tuple[str, ...]:
    match entry.event:
        case Attempted(id=name):
            return ("attempted", name)
        case Measured(attempt=attempt, index=index):
            return ("measured", attempt, str(index))
        case Merged() | Closed():
            return ("ended",)
        case _:
            return (entry.key,)


def apps_of(comments: Sequence[IssueComment], own: int) -> frozenset[int]:
    """The App through which the bot's own comments were written; empty without one."""
    return frozenset(
        comment.performed_via_github_app.id
        for comment in comments
        if comment.user.id == own and comment.performed_via_github_app
    )


def _checks(runs: Iterable[CheckRun], apps: frozenset[int]) -> tuple[Check, ...]:
    """Those that the bot's own App made: any other App can make one that looks the same."""
    known = set(Conclusion)
    return tuple(
        Check(
            attempt=run.external_id,
            head=run.head_sha,
            conclusion=Conclusion(run.conclusion),
            title=run.output.title,
            summary=run.output.summary,
        )
        for run in sorted(runs, key=lambda each: each.id)
        if run.app and run.app.id in apps and run.name == CHECK_NAME and run.conclusion in known
    )
