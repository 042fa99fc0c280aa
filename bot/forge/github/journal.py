"""The journal of openings and endings: what git can do as one step leads what the API cannot.

An ending moves the base branch and makes `refs/forge/ending/<n>` in one push, all or nothing.
The commit of that ref holds the last event and the bot's words. What follows on GitHub's API
(record, label, state) is done from it, and the ref goes away when all of it is there; whoever
finds it after a crash does the same. `refs/forge/opening/<branch>` is the like for openings:
it comes with the branch and holds everything that the pull request will say.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bot.forge.base import Conflict, ForgeError
from bot.forge.events import Closed, InvalidEvent, Merged, Opened, from_json, to_json
from bot.forge.github.errors import Unreachable
from bot.forge.github.remote import Move, Remote
from bot.git import Identity, Repository

OPENING = "opening"
ENDING = "ending"
_FILE = "journal.json"


@dataclass(frozen=True)
class Entry:
    """What is to be done: an event and the words that go with it."""

    event: Opened | Merged | Closed
    words: str
    instead_of: tuple[str, str] | None = None  # what an opening has ended on GitHub: ref and commit


class Journal:
    """Openings and endings that are under way."""

    def __init__(self, repository: Repository, remote: Remote, author: Identity) -> None:
        self._repository = repository
        self._remote = remote
        self._author = author

    def write(self, entry: Entry) -> str:
        """The commit that holds an entry; no ref moves yet. Raises InvalidEvent."""
        content: dict[str, Any] = {"event": json.loads(to_json(entry.event)), "words": entry.words}
        ended = []  # a parent of the entry, so that GitHub keeps it as long
        if entry.instead_of:
            content["instead_of"] = list(entry.instead_of)
            ended = [entry.instead_of[1]]
        data = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        tree = self._repository.write_tree({_FILE: ("100644", self._repository.write_blob(data))})
        subject = f"forge: {entry.event.kind}\n"
        return self._repository.commit_tree(tree, ended, subject, self._author, entry.event.at)

    def ref(self, kind: str, name: str) -> str:
        """The ref of an entry on GitHub."""
        return f"refs/forge/{kind}/{name}"

    def pending(self, kind: str) -> dict[str, str]:
        """What is under way, as it was when it was fetched: names and commits."""
        return self._remote.kept(kind)

    def read(self, commit: str) -> Entry:
        """The entry that a commit holds. Raises ForgeError."""
        data = self._repository.read_file(commit, _FILE)
        try:
            content = json.loads(data or b"")
            event = from_json(json.dumps(content["event"]).encode())
            words, kept = content["words"], content.get("instead_of")
            instead_of = None if kept is None else (str(kept[0]), str(kept[1]))
        except (ValueError, LookupError, TypeError, InvalidEvent) as error:
            raise ForgeError(f"The journal entry {commit} cannot be read: {error}.") from None
        if not isinstance(event, Opened | Merged | Closed) or not isinstance(words, str):
            raise ForgeError(f"The journal entry {commit} is about nothing that is journalled.")
        return Entry(event, words, instead_of)

    def forget(self, kind: str, name: str, commit: str, *also: Move) -> None:
        """Drop an entry, and make other moves with it. Raises Conflict."""
        self._remote.push([Move(self.ref(kind, name), None, commit), *also])

    def done(self, kind: str, name: str, commit: str) -> None:
        """Drop an entry of which nothing is left to do, as another bot may have done."""
        with suppress(Conflict):
            self.forget(kind, name, commit)

    def is_pending(self, kind: str, name: str, commit: str) -> bool:
        """Whether it is under way at this moment; where GitHub cannot be asked, as it was."""
        ref = self.ref(kind, name)
        try:
            return self._remote.now([ref]).get(ref) == commit
        except Unreachable:
            return True
