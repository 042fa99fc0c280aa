"""Looks at pull requests on GitHub: for the whole repository at once where that is enough.

What a look at all of it takes is in `bot.forge.github.latest`; what it saw holds for a moment, see
`bot.forge.github.memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.forge.base import Author, NoSuchPull, PullRequest, State
from bot.forge.github.answers import CheckRun, Pull, parse, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import NotFound
from bot.forge.github.latest import Latest
from bot.forge.github.memory import Look, Memory, Seen
from bot.forge.github.reading import Reader
from bot.forge.github.remote import Remote
from bot.forge.github.reviews import Reviews, waiting
from bot.forge.github.states import WANTED, managed
from bot.forge.github.writing import Comments
from bot.git import Repository
from bot.model import Verdict

_LARGEST_NUMBER = 2**31
_MOST_ADDRESSED = 10  # ended experiments with something to say that are read in one look


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Reads the pull requests of one repository that go into `base_branch`."""

    repository: Repository
    client: GitHubClient
    remote: Remote
    memory: Memory
    comments: Comments
    reviews: Reviews
    bot: Author
    base_branch: str
    verdicts: Callable[[], Mapping[int, Verdict]]

    # Many

    def perhaps_open(self) -> list[Seen]:
        """Experiments that GitHub shows open, and those that ended without the bot's verdict."""
        look = self._look()
        seen = [self.memory.known(number) for number in sorted(look.numbers)]
        return [each for each in seen if each is not None]

    def open(self) -> list[PullRequest]:
        """Those of them that are open for the bot."""
        seen = self.perhaps_open()
        self._fetch_for([each.shown for each in seen])
        for each in seen:
            self.memory.tell(each.shown.number)
        pulls = (self._reviewed(each, self.fold(each)) for each in seen)
        return [pull for pull in pulls if pull.state is State.OPEN]

    def all(self) -> list[PullRequest]:
        """All experiments there ever were."""
        listed = self.client.list(
            "pulls", base=self.base_branch, state="all", sort="created", direction="asc"
        )
        shown = [each for each in parse_all(Pull, listed) if self.is_experiment(each)]
        comments = self.comments.all()
        self._fetch_for(shown)
        return [self.fold(Seen(each, tuple(comments.get(each.number, ())))) for each in shown]

    def shown(self) -> tuple[Pull, ...]:
        """All that `perhaps_open` comes from, with what is no experiment."""
        return self._look().shown

    def check_numbers(self) -> None:
        """Raise ForgeError where the next number is one that the ledger has: a look finds out."""
        if self.verdicts():
            self._look()

    def addressed(self, word: str) -> list[int]:
        """Ended experiments where somebody said `word` since the bot's own last comment.

        Of the latest hundred comments in the repository; those of its members come first.
        """
        ended = self.verdicts()
        said = waiting(self._look().recent, int(self.bot.id), word)
        found = sorted(said, key=lambda number: (not said[number], number))
        return [number for number in found if number in ended][:_MOST_ADDRESSED]

    def reopened(self, ending: Collection[int]) -> list[PullRequest]:
        """Those that have their verdict and show as open; `ending` are just being ended."""
        verdicts = self.verdicts()
        shown = [each.shown for each in self.perhaps_open()]
        perhaps = [
            each.number
            for each in shown
            if each.state == "open" and each.number in verdicts and each.number not in ending
        ]
        found = [self._read(number) for number in perhaps[:_MOST_ADDRESSED]]
        return [self.fold(seen) for seen in found if seen.shown.state == "open"]

    # One

    def pull(self, number: int, checks: Callable[[str], list[CheckRun]]) -> PullRequest:
        """One, as it is at this moment, with its checks. Raises NoSuchPull."""
        seen = self.with_reviews(self._read(number))
        return self._reviewed(seen, self.fold(seen, checks(self.fold(seen).head)))

    def standing(self, number: int, *, fresh: bool) -> tuple[Seen, PullRequest]:
        """One for a write to come: of this moment, or as the look that holds shows it.

        Of this moment takes one call where the number of its comments tells that nothing was
        said since that look. Raises NoSuchPull.
        """
        check_number(number)
        held = self.memory.held(number)
        if held is None:
            held = self._read(number)
        elif fresh:
            shown = self._shown(number)
            said = shown.comments == len(held.comments)
            comments = held.comments if said else tuple(self.comments.of(number))
            held = replace(held, shown=shown, comments=comments)
            self.memory.keep(number, held)
        self._fetch_for([held.shown])
        return held, self.fold(held)

    def with_reviews(self, seen: Seen) -> Seen:
        """The same with what was said on lines and in reviews by this moment."""
        number = seen.shown.number
        reviews = tuple(self.reviews.of(number))
        seen = replace(seen, lines=self.reviews.lines(number), reviews=reviews)
        self.memory.keep(number, seen)
        return seen

    def known(self, number: int) -> PullRequest | None:
        """One as it was when it was last seen; None if it never was."""
        seen = self.memory.known(number)
        return self.fold(seen) if seen else None

    def fold(self, seen: Seen, runs: Sequence[CheckRun] = ()) -> PullRequest:
        """What was read as a pull request; lines and approvals are left out."""
        reader = Reader(self.bot, self.tip, self.is_ancestor, self.verdicts)
        return reader.pull(seen.shown, seen.comments, runs)

    # Git

    def tip(self, shown: Pull) -> str | None:
        """Where its branch was when it was fetched; None when there was none."""
        if self.is_fork(shown):
            return shown.head.sha
        return self.remote.branch(shown.head.ref)

    def is_fork(self, shown: Pull) -> bool:
        """Whether its branch is in somebody else's copy of the repository."""
        home = shown.head.repo
        return home is None or home.full_name.lower() != self.client.repository.lower()

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether the history of `new` has `old`; not where the clone lacks one of them."""
        known = all(self.repository.resolve(commit) for commit in (new, old))
        return known and self.repository.is_ancestor(old, new)

    # How

    def _look(self) -> Look:
        """The look that holds, or a new one."""
        latest = Latest(
            client=self.client,
            memory=self.memory,
            comments=self.comments,
            reviews=self.reviews,
            base_branch=self.base_branch,
            verdicts=self.verdicts,
            is_experiment=self.is_experiment,
        )
        return self.memory.look() or latest.look()

    def _read(self, number: int) -> Seen:
        shown = self._shown(number)
        self._fetch_for([shown])
        known = self.memory.known(number) or Seen(shown, ())
        seen = replace(known, shown=shown, comments=tuple(self.comments.of(number)))
        self.memory.keep(number, seen)
        return seen

    def _shown(self, number: int) -> Pull:
        check_number(number)
        try:
            shown = parse(Pull, self.client.get(f"pulls/{number}"))
        except NotFound:
            raise NoSuchPull(f"There is no pull request #{number} on GitHub.") from None
        if shown.base.ref != self.base_branch:
            raise NoSuchPull(f"#{number} goes into {shown.base.ref}, not {self.base_branch}.")
        return shown

    def _reviewed(self, seen: Seen, pull: PullRequest) -> PullRequest:
        """The pull request with what reviews say of it; a person's, with who approved it."""
        by_bot = str(seen.shown.user.id) == self.bot.id
        said = [*self.reviews.by_others(seen.lines), *self.reviews.summaries(seen.reviews)]
        comments = sorted([*pull.comments, *said], key=lambda each: each.created_at)
        return replace(
            pull,
            comments=tuple(comments),
            fork=self.is_fork(seen.shown),
            approvals=() if by_bot else self.reviews.approvals(seen.reviews),
        )

    def _fetch_for(self, shown: Sequence[Pull]) -> None:
        """Fetch what these speak of and the clone lacks."""
        heads = [each for each in shown if self.repository.resolve(each.head.sha) is None]
        if heads:
            self.remote.fetch(*(f"+refs/pull/{each.number}/head" for each in heads))

    def is_experiment(self, shown: Pull) -> bool:
        """Opened by the bot, or made one by a label, which only people of the repository set.

        What somebody closed again before the bot did anything with it was none.
        """
        if str(shown.user.id) == self.bot.id or any(managed(name) for name in shown.names):
            return True
        over = shown.state != "open" and shown.merged_at is None
        return WANTED in shown.names and not over


def check_number(number: int) -> None:
    """Raise NoSuchPull for what no pull request can be called."""
    if not 0 < number < _LARGEST_NUMBER:
        raise NoSuchPull(f"There is no pull request #{number} on GitHub.")
