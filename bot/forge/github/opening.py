"""Opening a pull request: the branch and its journal by one push, then the API."""

from __future__ import annotations

import re
from contextlib import suppress

from bot.forge.base import BranchTaken, Conflict, ForgeError, NewPull
from bot.forge.events import Opened, Person
from bot.forge.github import records
from bot.forge.github.answers import Pull, parse, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Rejected, Uncertain
from bot.forge.github.journal import OPENING, Entry, Journal
from bot.forge.github.memory import Memory
from bot.forge.github.remote import MIRROR, Move, Remote
from bot.forge.github.states import OPEN, managed
from bot.forge.github.writing import Comments
from bot.forge.opening import in_the_way, title_of
from bot.git import Delete, RefMoved

_EXISTS = re.compile(r"pull request already exists", re.IGNORECASE)


class Openings:
    """Opens pull requests into one base branch."""

    def __init__(
        self,
        client: GitHubClient,
        remote: Remote,
        comments: Comments,
        *,
        journal: Journal,
        memory: Memory,
        base_branch: str,
    ) -> None:
        self._client = client
        self._remote = remote
        self._comments = comments
        self._journal = journal
        self._memory = memory
        self._base_branch = base_branch

    def open(self, new: NewPull, at: int) -> Pull:
        """Open one, and return it as GitHub made it. What was fetched is fresh."""
        repository = self._remote.repository
        title = title_of(repository, new, self._base_branch)
        tip = self._remote.branch(new.branch)
        if tip not in {None, new.head}:
            raise BranchTaken(f"Branch {new.branch} exists on GitHub already, at {tip}.")
        if other := in_the_way(repository, new.branch, f"{MIRROR}/heads"):
            raise ForgeError(
                f"Branch {new.branch!r} cannot be created: a branch {other!r} is in its way, as a"
                " file is in the way of a folder. Give that one another name on GitHub."
            )
        event = Opened(
            at=at,
            number=1,  # GitHub gives the number
            branch=new.branch,
            head=new.head,
            title=title,
            body=records.clipped(records.plain(new.body), records.MOST_BYTES),
            author=Person.of(new.author),
            record=dict(new.record),
        )
        records.record_bodies(records.new_key(), "", [event])  # refuses before anything is written
        commit = self._journal.write(Entry(event, ""))
        moves = [Move(self._journal.ref(OPENING, new.branch), commit, None)]
        if tip is None:
            moves.append(Move(f"refs/heads/{new.branch}", new.head, None))
        ended = self._ended(new)
        try:
            self._remote.push([*moves, *ended])
        except Conflict:
            raise BranchTaken(f"Somebody else is opening {new.branch} at this moment.") from None
        undo = [Move(f"refs/heads/{new.branch}", None, new.head)] if tip is None else []
        undo += [Move(move.ref, move.old, None) for move in ended]
        if new.instead_of:
            with suppress(RefMoved):  # it was kept in another clone
                repository.update_refs([Delete(*new.instead_of)], "a pull request took its place")
        return self._carry_on(new.branch, commit, event, undo)

    def _ended(self, new: NewPull) -> list[Move]:
        """What ends with an opening, on GitHub. Raises Conflict when it has ended already."""
        if new.instead_of is None:
            return []
        ref, at = new.instead_of
        if ref in self._remote.own(ref.rpartition("/")[0]):
            return [Move(ref, None, at)]
        if self._remote.repository.ref(ref) is None:
            raise Conflict(f"Another bot has opened what {ref} held.")
        return []  # it never came to GitHub

    def finish(self) -> None:
        """Carry on with what a crash interrupted; what was fetched is fresh."""
        for branch, commit in self._journal.pending(OPENING).items():
            event = self._journal.read(commit).event
            if not isinstance(event, Opened) or self._remote.branch(branch) is None:
                self._journal.forget(OPENING, branch, commit)  # a person has deleted the branch
                continue
            shown = self._found(branch)
            if shown is None:
                self._carry_on(branch, commit, event, [])
            else:
                self._describe(shown, event)
                self._journal.forget(OPENING, branch, commit)

    def _carry_on(self, branch: str, commit: str, event: Opened, undo: list[Move]) -> Pull:
        try:
            shown, made = self._create(branch, event)
        except Rejected as error:
            self._journal.forget(OPENING, branch, commit, *undo)
            if _EXISTS.search(str(error)):
                raise BranchTaken(f"Branch {branch} has a pull request open.") from None
            raise
        if made:
            self._memory.opened(shown)
        self._describe(shown, event, new=made)
        self._journal.forget(OPENING, branch, commit)
        return shown

    def _create(self, branch: str, event: Opened) -> tuple[Pull, bool]:
        """The pull request, and whether it was made just now for sure."""
        body = {
            "title": event.title,
            "body": event.body,
            "head": branch,
            "base": self._base_branch,
            "maintainer_can_modify": False,
        }
        try:
            return parse(Pull, self._client.post("pulls", body)), True
        except Uncertain:
            shown = self._found(branch)
            if shown is None:
                raise
            return shown, False

    def _found(self, branch: str) -> Pull | None:
        """The open pull request of a branch of this repository."""
        owner = self._client.repository.partition("/")[0]
        found = parse_all(Pull, self._client.list("pulls", head=f"{owner}:{branch}", state="open"))
        same = [pull for pull in found if pull.head.ref == branch]
        return max(same, key=lambda pull: pull.number, default=None)

    def _describe(self, shown: Pull, event: Opened, *, new: bool = False) -> None:
        """The record, and the label of the state; each only where it is not there yet."""
        number = shown.number
        event = event.model_copy(update={"number": number})
        if new or not self._comments.has(number, Opened):
            self._comments.keep(number, "The record of this experiment begins here.", event)
        if not any(managed(name) for name in shown.names):
            labels = {"labels": [OPEN]}
            self._client.post(f"issues/{number}/labels", labels, repeatable=True)
            self._memory.labelled(number, [*shown.names, OPEN])
