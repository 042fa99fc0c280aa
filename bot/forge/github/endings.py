"""The end of a pull request: one push, then what the API shows, from the journal."""

from __future__ import annotations

from collections.abc import Callable

from bot.forge.events import Closed, Merged
from bot.forge.github.answers import Issue, Pull, parse
from bot.forge.github.base_branch import BaseBranch
from bot.forge.github.client import GitHubClient
from bot.forge.github.journal import ENDING, Entry, Journal
from bot.forge.github.remote import Move
from bot.forge.github.states import CLOSED, MERGED, with_state
from bot.forge.github.writing import Comments

_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""How long GitHub may take to mark a pull request merged."""
_MOVED = (
    "What was measured, {}, is in the base branch. This branch moved on in the same instant, so "
    "that GitHub shows it as closed and not as merged. What is new on it is neither measured nor "
    "merged, and stays where it is: a new pull request, or `python -m bot open`, makes it an "
    "experiment of its own.\n"
)


class Endings:
    """Merges and closes."""

    def __init__(
        self,
        client: GitHubClient,
        base: BaseBranch,
        comments: Comments,
        journal: Journal,
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._base = base
        self._comments = comments
        self._journal = journal
        self._sleep = sleep

    def end(self, shown: Pull, event: Merged | Closed, words: str, branch: str | None) -> None:
        """Move the base branch and journal the rest by one push, then do the rest.

        `branch` is that of the pull request where it must still be at the head: the push names
        it too. Should it move in the same instant, only the head that was measured is in the
        base branch: GitHub does not mark the pull request merged, and it is closed with words.

        Raises Conflict, WorktreeDirty, ForgeError; then nothing has changed.
        """
        name = str(shown.number)
        commit = self._journal.write(Entry(event, words))
        moves = [Move(self._journal.ref(ENDING, name), commit, None)]
        if branch is not None and isinstance(event, Merged):
            moves.append(Move(f"refs/heads/{branch}", event.head, event.head))
        self._base.move(event.base, event.commit, moves)
        self._comments.keep(shown.number, words, event)
        self._show(shown, event)
        self._journal.done(ENDING, name, commit)

    def finish_all(self) -> None:
        """Do the rest of what was interrupted; what was fetched is fresh."""
        for name, commit in self._journal.pending(ENDING).items():
            entry = self._journal.read(commit)
            if name.isdecimal() and isinstance(entry.event, Merged | Closed):
                self._finish(name, commit, entry.event, entry.words)

    def unfinished(self) -> frozenset[int]:
        """The numbers of those whose rest somebody has still to do."""
        names = self._journal.pending(ENDING)
        return frozenset(int(name) for name in names if name.isdecimal())

    def _finish(self, name: str, commit: str, event: Merged | Closed, words: str) -> None:
        number = int(name)
        if not self._comments.has(number, Merged, Closed):
            self._comments.keep(number, words, event)
        self._show(self._look(number), event)
        self._journal.done(ENDING, name, commit)

    def _show(self, shown: Pull, event: Merged | Closed) -> None:
        """Label and state on GitHub, by one call where nothing is in the way."""
        number = shown.number
        if isinstance(event, Closed):
            labels = with_state(shown.names, CLOSED)
            self._client.patch(f"issues/{number}", {"labels": labels, "state": "closed"})
            return
        labels = with_state(shown.names, MERGED)
        answer = parse(Issue, self._client.patch(f"issues/{number}", {"labels": labels}))
        if answer.state != "open":  # GitHub has marked it merged already
            return
        shown = self._settled(number)
        if shown.state == "open":
            if shown.head.sha != event.head:
                self._say_once(number, _MOVED.format(event.head))
            self._client.patch(f"issues/{number}", {"state": "closed"})

    def _say_once(self, number: int, text: str) -> None:
        if not any(text in comment.body for comment in self._comments.of(number)):
            self._comments.say(number, text)

    def _settled(self, number: int) -> Pull:
        """The pull request once GitHub marks it merged, or after some patience."""
        for pause in _PAUSES_S:
            shown = self._look(number)
            if shown.merged_at is not None or shown.state != "open":
                return shown
            self._sleep(pause)
        return self._look(number)

    def _look(self, number: int) -> Pull:
        return parse(Pull, self._client.get(f"pulls/{number}"))
