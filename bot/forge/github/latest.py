"""What happened lately in a repository on GitHub: everything that may be open, in a few calls.

Three calls, and one for the reviews of each open experiment: what happened to pull requests
lately, the latest comments, and the latest comments on lines. Only what these do not reach back
to is asked for one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from bot.forge.github.answers import IssueComment, LineComment, Pull, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.memory import Look, Memory, Seen
from bot.forge.github.numbers import check_numbers
from bot.forge.github.reviews import Reviews
from bot.forge.github.writing import Comments
from bot.model import Verdict

_MOST_PAGES = 10
"""Of a hundred each: how far back a look goes where no verdict tells it to stop."""
_OVERLAP_S = 3600
_SETTLING_S = 120
"""Within this time of its end GitHub has shown everything about an experiment."""
Said = TypeVar("Said", IssueComment, LineComment)


@dataclass(frozen=True, kw_only=True)
class Latest:
    """Looks at the pull requests into `base_branch`; `verdicts` are the ledger's by number."""

    client: GitHubClient
    memory: Memory
    comments: Comments
    reviews: Reviews
    base_branch: str
    verdicts: Callable[[], Mapping[int, Verdict]]
    is_experiment: Callable[[Pull], bool]

    def look(self) -> Look:
        """Look now. Raises ForgeError where the ledger has numbers that GitHub has yet to give."""
        lately = self._lately()
        shown = [each for each in lately if self.is_experiment(each)]
        comments = self._recent(IssueComment, "issues/comments")
        lines = self._recent(LineComment, "pulls/comments") if shown else _Recent[LineComment](())
        seen = {}
        for each in shown:
            said, on_lines = comments.about(each), lines.about(each)
            seen[each.number] = Seen(
                each,
                self.memory.with_own(
                    each.number, self.comments.of(each.number) if said is None else said
                ),
                self.reviews.lines(each.number) if on_lines is None else on_lines,
                tuple(self.reviews.of(each.number)),
            )
        return self.memory.keep_look(lately, seen, comments.said)

    def _recent(self, kind: type[Said], path: str) -> _Recent[Said]:
        page = next(self.client.pages(path, sort="updated", direction="desc"))
        said = tuple(parse_all(kind, page.entries))
        since = None if page.last else min((each.updated_at for each in said), default=0)
        return _Recent(said, since)

    def _lately(self) -> list[Pull]:
        """Pull requests that are open, or that ended without the bot's verdict.

        What happened last comes first, and is read back to the last that is known: an experiment
        with its verdict that nothing happened to since, and an hour further. What lies behind was
        there when that verdict was given, and was settled then. Open ones may lie behind.
        Raises ForgeError where the ledger has numbers that GitHub has yet to give.
        """
        verdicts = self.verdicts()
        query = {"base": self.base_branch, "sort": "updated", "direction": "desc"}
        found: dict[int, Pull] = {}
        for page in islice(self.client.pages("pulls", state="all", **query), _MOST_PAGES):
            entries = parse_all(Pull, page.entries)
            found |= {each.number: each for each in entries}
            if page.last:
                break
            known = [each.updated_at for each in found.values() if _is_settled(each, verdicts)]
            if known and entries and entries[-1].updated_at < max(known) - _OVERLAP_S:
                found |= self._all_open()
                break
        else:
            found |= self._all_open()
        last = max(verdicts, default=0)
        if last > max(found, default=0):
            check_numbers(self.client, last)
        perhaps = (found[number] for number in sorted(found))
        return [each for each in perhaps if each.state == "open" or each.number not in verdicts]

    def _all_open(self) -> dict[int, Pull]:
        listed = self.client.list("pulls", base=self.base_branch, state="open")
        return {each.number: each for each in parse_all(Pull, listed)}


@dataclass(frozen=True)
class _Recent(Generic[Said]):
    """The latest of what was said in the repository.

    All that was said or changed after `since` is there; None: all there ever was.
    """

    said: tuple[Said, ...]
    since: int | None = None

    def about(self, shown: Pull) -> tuple[Said, ...] | None:
        """All that was said about a pull request; None where it may be older than this."""
        if not all(each.issue for each in self.said):
            return None
        if self.since is not None and shown.created_at <= self.since:
            return None
        return tuple(each for each in self.said if each.issue == shown.number)


def _is_settled(shown: Pull, verdicts: Mapping[int, Verdict]) -> bool:
    """Whether it has its verdict, and nothing happened to it since."""
    if shown.number not in verdicts or shown.closed_at is None:
        return False
    return shown.updated_at - shown.closed_at <= _SETTLING_S
