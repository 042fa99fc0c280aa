"""Pull requests that people open without a label become experiments, where bot.toml says so.

The bot itself gives them the label, which people see and can take away for good. What may be
measured is judged later, from git and by the permission of then; this only finds what is meant
as an experiment, with few calls and without fetching anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from bot.forge.base import Author
from bot.forge.github.answers import MEMBERS, Answer, Label, Pull, Text, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Forbidden, NotFound, Rejected
from bot.forge.github.states import WANTED

LOOKED_AT = 50
"""So many pull requests without a label are looked at in a step, those of members first."""
MOST_OF_OTHERS = 20
"""So many experiments of people from outside may be open before they bring no more."""


class ChangedFile(Answer):
    """A file that a pull request changes."""

    filename: str
    previous_filename: Text = ""


class LabelEvent(Answer):
    """Something that happened to a pull request; `label` where that was about one."""

    event: str
    label: Label | None = None


@dataclass
class Adoption:
    """Labels the pull requests that change nothing but `paths`.

    `may_write` asks whether somebody may write to the repository. Whoever may not is welcome
    with one experiment at a time.
    """

    client: GitHubClient
    paths: Collection[str]
    may_write: Callable[[Author], bool]
    _other: set[tuple[int, str]] = field(default_factory=set)  # number and head of what is none

    def adopt(self, shown: Sequence[Pull], known: Callable[[Pull], bool]) -> None:
        """Label what is meant as an experiment among `shown`; `known` tells which are already."""
        if not self.paths:
            return
        already = [each for each in shown if known(each)]
        busy = {each.user.id for each in already}
        others = sum(_is_by_other(each) for each in already)
        for pull in _unlabelled(shown, known):
            if not self._is_meant(pull):
                continue
            if not self.may_write(pull.user.author()):
                if pull.user.id in busy or others >= MOST_OF_OTHERS:
                    continue
                busy.add(pull.user.id)
                others += 1
            labels = {"labels": [WANTED]}
            self.client.post(f"issues/{pull.number}/labels", labels, repeatable=True)

    def _is_meant(self, pull: Pull) -> bool:
        mark = (pull.number, pull.head.sha)
        if mark in self._other:
            return False
        try:
            meant = self._only_allowed(pull.number) and not self._was_unlabelled(pull.number)
        except (Forbidden, NotFound, Rejected):
            meant = False  # its difference is too large for GitHub, or it was deleted just now
        if not meant:
            self._other.add(mark)
        return meant

    def _only_allowed(self, number: int) -> bool:
        """Whether it changes something, and nothing but `paths`."""
        most = len(self.paths) + 1  # one more says that there is something else
        found = self.client.get(f"pulls/{number}/files", per_page=min(100, most))
        files = parse_all(ChangedFile, found if isinstance(found, list) else [])
        names = {file.filename for file in files} | {file.previous_filename for file in files}
        return bool(files) and names - {""} <= set(self.paths)

    def _was_unlabelled(self, number: int) -> bool:
        """Whether somebody took the label away: then it is none, until somebody gives it back."""
        events = parse_all(LabelEvent, self.client.list(f"issues/{number}/events"))
        return any(
            event.event == "unlabeled" and event.label is not None and event.label.name == WANTED
            for event in events
        )


def _is_by_other(pull: Pull) -> bool:
    """Whether a person from outside of the repository opened it, without asking GitHub more."""
    return pull.user.type == "User" and pull.author_association not in MEMBERS


def _unlabelled(shown: Sequence[Pull], known: Callable[[Pull], bool]) -> list[Pull]:
    found = [
        each
        for each in shown
        if each.state == "open" and not each.draft and each.user.type == "User" and not known(each)
    ]
    found.sort(key=lambda each: (each.author_association not in MEMBERS, each.number))
    return found[:LOOKED_AT]
