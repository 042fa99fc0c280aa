"""What this process knows of the pull requests: the latest look, and its own writes since.

A step looks again after everything it does. What GitHub's answers to its own writes tell is known
then, and asking for it once more would cost most of its calls. So a look holds for some seconds;
whoever needs the truth of this very moment asks for it (`Looks.standing(fresh=True)`), and what
must not go wrong is decided by compare-and-swap, not by a look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from bot.forge.github.answers import IssueComment, Label, LineComment, Pull
from bot.forge.github.reviews import Review

HOLDS_S = 30.0
"""How long a look is good for, by default."""
OWN_HOLDS_S = 120.0
"""How long GitHub's lists may lack what was written: its answer to the write is known."""
STEP_HOLDS_S = 120.0
"""The same for a step on GitHub Actions: it is short, and a comment meanwhile starts the next."""


@dataclass(frozen=True)
class Seen:
    """One pull request, with everything that was said about it."""

    shown: Pull
    comments: tuple[IssueComment, ...]
    lines: tuple[LineComment, ...] = ()
    reviews: tuple[Review, ...] = ()


_Words = tuple[str, int]
"""Where something was said, and its id there."""


def _words(seen: Seen) -> frozenset[_Words]:
    """Everything that was said on a pull request, in comments, on lines and in reviews."""
    comments = (("comment", each.id) for each in seen.comments)
    lines = (("line", each.id) for each in seen.lines)
    return frozenset([*comments, *lines, *(("review", each.id) for each in seen.reviews)])


@dataclass(frozen=True)
class Look:
    """Everything that may be open, and the latest comments of the whole repository.

    `shown` has what is no experiment as well, `numbers` are those of the experiments.
    """

    shown: tuple[Pull, ...]
    numbers: frozenset[int]
    recent: tuple[IssueComment, ...]


class Memory:
    """Remembers for one process; nothing of it outlives that."""

    def __init__(self, clock: Callable[[], float], holds_s: float) -> None:
        self._clock = clock
        self._holds_s = holds_s
        self._seen: dict[int, Seen] = {}
        self._look: Look | None = None
        self._looked_at = 0.0
        self._told: dict[int, frozenset[_Words]] = {}
        self._own: dict[int, tuple[float, int, IssueComment]] = {}  # time, pull request, comment

    def look(self) -> Look | None:
        """The latest look, while it holds."""
        held = 0 <= self._clock() - self._looked_at < self._holds_s
        return self._look if held else None

    def keep_look(
        self, shown: Iterable[Pull], seen: Mapping[int, Seen], recent: Iterable[IssueComment]
    ) -> Look:
        """Take a look that was just made in place of the one before."""
        self._looked_at = self._clock()
        self._look = Look(tuple(shown), frozenset(seen), tuple(recent))
        self._seen |= seen
        return self._look

    def held(self, number: int) -> Seen | None:
        """A pull request as a look shows it that still holds."""
        look = self.look()
        return self._seen.get(number) if look and number in look.numbers else None

    def known(self, number: int) -> Seen | None:
        """A pull request as it was when it was last seen, however long ago."""
        return self._seen.get(number)

    def keep(self, number: int, seen: Seen) -> None:
        """Take what was just read of one."""
        self._seen[number] = seen

    def tell(self, number: int) -> None:
        """What is known of one is handed out, and decided upon from now on."""
        seen = self._seen.get(number)
        if seen:
            self._told[number] = _words(seen)

    def untold(self, seen: Seen) -> frozenset[_Words]:
        """What was said on it since it was handed out; nothing where it never was."""
        told = self._told.get(seen.shown.number)
        return frozenset() if told is None else _words(seen) - told

    def opened(self, shown: Pull) -> None:
        """A pull request of our own is there, and nothing was said about it yet."""
        self._seen[shown.number] = Seen(shown, ())
        if self._look:
            self._look = replace(self._look, numbers=self._look.numbers | {shown.number})

    def wrote(self, number: int, comment: IssueComment) -> None:
        """A comment of our own is there."""
        self._own[comment.id] = (self._clock(), number, comment)
        seen = self._seen.get(number)
        if seen:
            others = tuple(each for each in seen.comments if each.id != comment.id)
            self._seen[number] = replace(seen, comments=(*others, comment))
        if number in self._told:
            self._told[number] |= {("comment", comment.id)}
        if self._look:
            self._look = replace(self._look, recent=(*self._look.recent, comment))

    def with_own(self, number: int, listed: Iterable[IssueComment]) -> tuple[IssueComment, ...]:
        """What GitHub lists of one, with what was just written there and the list has not yet.

        A list may be older than the writes before it. A run whose result it lacks would be made
        again. That is all this is for: what ends an experiment is read as it is.
        """
        found = {each.id: each for each in listed}
        since = self._clock() - OWN_HOLDS_S
        self._own = {key: one for key, one in self._own.items() if one[0] >= since}
        for _, own, comment in self._own.values():
            if own == number:
                found.setdefault(comment.id, comment)
        return tuple(found[key] for key in sorted(found))

    def ended(self, number: int) -> None:
        """It is closed or merged now."""
        seen = self._seen.get(number)
        if seen:
            shown = seen.shown.model_copy(update={"state": "closed"})
            self._seen[number] = replace(seen, shown=shown)

    def labelled(self, number: int, names: Iterable[str]) -> None:
        """The labels are these now."""
        seen = self._seen.get(number)
        if seen:
            labels = tuple(Label(name=name) for name in names)
            shown = seen.shown.model_copy(update={"labels": labels})
            self._seen[number] = replace(seen, shown=shown)

    def forget(self) -> None:
        """Somebody else was at work: nothing is known for sure."""
        self._seen.clear()
        self._look = None
