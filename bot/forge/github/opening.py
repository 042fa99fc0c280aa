"""Opening a pull request: the branch and its journal by one push, then the API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from bot.forge.base import BranchTaken, Conflict, ForgeError, NewPull
from bot.forge.events import Opened, Person
from bot.forge.github import records
from bot.forge.github.answers import Pull, parse, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Rejected, Uncertain, Unreachable
from bot.forge.github.journal import OPENING, Entry, Journal
from bot.forge.github.memory import Memory
from bot.forge.github.remote import MIRROR, Move, Remote
from bot.forge.github.states import OPEN, managed
from bot.forge.github.writing import Comments
from bot.forge.opening import in_the_way, title_of
from bot.git import Delete, RefMoved

_EXISTS = re.compile(r"pull request already exists", re.IGNORECASE)
_CLOCKS_DIFFER_S = 3600
"""At most: GitHub's clock and that of a machine of the bot."""


class Openings:
    """Opens pull requests into one base branch."""

    def __init__(
        self,
        client: GitHubClient,
        remote: Remote,
        comments: Comments,
        *,
        own: int,
        journal: Journal,
        memory: Memory,
        base_branch: str,
    ) -> None:
        """`own` is the number of the bot's account."""
        self._client = client
        self._remote = remote
        self._comments = comments
        self._own = own
        self._journal = journal
        self._memory = memory
        self._base_branch = base_branch

    def open(self, new: NewPull, at: int) -> Pull:
        """Open one, and return it as GitHub made it. What was fetched is fresh.

        Of what `instead_of` holds it is the only one: one that is there already is returned.
        """
        repository = self._remote.repository
        event = Opened(
            at=at,
            number=1,  # GitHub gives the number
            branch=new.branch,
            head=new.head,
            title=title_of(repository, new, self._base_branch),
            body=records.clipped(records.plain(new.body), records.MOST_BYTES),
            author=Person.of(new.author),
            record=dict(new.record),
        )
        records.record_bodies(records.new_key(), "", [event])  # refuses before anything is written
        shown = self._opened_before(new) or self._open(new, event)
        if new.instead_of:
            with suppress(RefMoved):  # it was kept on GitHub
                repository.update_refs([Delete(*new.instead_of)], "a pull request took its place")
        return shown

    def finish(self) -> None:
        """Carry on with what a crash interrupted; what was fetched is fresh."""
        for branch, commit in self._journal.pending(OPENING).items():
            entry = self._journal.read(commit)
            if not isinstance(entry.event, Opened) or self._remote.branch(branch) is None:
                self._journal.done(OPENING, branch, commit)  # a person has deleted the branch
                continue
            try:
                self._finish(branch, commit, entry.event, entry.instead_of)
            except (Rejected, Conflict):
                if entry.instead_of is None:
                    raise
                # The proposal is kept again: whoever opens it next meets the refusal.

    def _opened_before(self, new: NewPull) -> Pull | None:
        """The pull request that was opened in place of the same, by whoever did not get further.

        What GitHub keeps ends in the push that begins an opening, so that nothing need be asked
        about it. What this clone keeps ends after it: a process that was killed in between has left
        it here. Raises Conflict where it is nowhere any more.
        """
        if new.instead_of is None:
            return None
        ref, commit = new.instead_of
        repository = self._remote.repository
        if self._on_github(ref):
            return None
        for branch, entry in self._journal.pending(OPENING).items():
            event = self._journal.read(entry).event
            if not isinstance(event, Opened) or event.head != new.head:
                continue
            if self._remote.branch(branch) is not None:
                return self._finish(branch, entry, event, None)
        if repository.ref(ref) is None:
            raise Conflict(f"Another bot has opened what {ref} held.")
        return self._recorded(new.head, repository.committed_at(commit))

    def _on_github(self, ref: str) -> bool:
        return ref in self._remote.own(ref.rpartition("/")[0])

    def _recorded(self, head: str, since: int) -> Pull | None:
        """The pull request whose record begins at `head`, and was written after `since`."""
        number = self._comments.opened_at(head, since - _CLOCKS_DIFFER_S)
        return None if number is None else parse(Pull, self._client.get(f"pulls/{number}"))

    def _open(self, new: NewPull, event: Opened) -> Pull:
        """The branch and the journal by one push, then the rest."""
        branch, head = new.branch, new.head
        tip = self._remote.branch(branch)
        if tip not in {None, head}:
            raise BranchTaken(f"Branch {branch} exists on GitHub already, at {tip}.")
        if other := in_the_way(self._remote.repository, branch, f"{MIRROR}/heads"):
            raise ForgeError(
                f"Branch {branch!r} cannot be created: a branch {other!r} is in its way, as a"
                " file is in the way of a folder. Give that one another name on GitHub."
            )
        ended = new.instead_of if new.instead_of and self._on_github(new.instead_of[0]) else None
        commit = self._journal.write(Entry(event, "", ended))
        also = [Move(f"refs/heads/{branch}", head, None)] if tip is None else []
        also += [Move(ended[0], None, ended[1])] if ended else []
        try:
            self._remote.push([Move(self._journal.ref(OPENING, branch), commit, None), *also])
        except Conflict:
            raise BranchTaken(f"Somebody else is opening {branch} at this moment.") from None
        if not self._journal.is_pending(OPENING, branch, commit):
            # Another bot took it for interrupted, and did the rest. Should that one be closed by
            # now, GitHub would open a second one for the same branch.
            if shown := self._recorded(head, event.at):
                return shown
            raise Conflict(f"Another bot has opened {branch} at this moment.")
        own = tip is None or new.instead_of is not None
        undo = [Move(move.ref, move.old, move.new) for move in also]
        return self._carry_on(branch, commit, event, undo, own=own)

    def _finish(
        self, branch: str, commit: str, event: Opened, ended: tuple[str, str] | None
    ) -> Pull:
        """Do the rest of an opening, which whoever began it may be about to do as well.

        Where GitHub refuses that, what it `ended` is kept there again.
        """
        for shown in self._of(branch, "all"):
            if self._led_to(shown, event):
                self._describe(shown, event)
                self._journal.done(OPENING, branch, commit)
                return shown
        undo = [Move(ended[0], ended[1], None)] if ended else []
        return self._carry_on(branch, commit, event, undo, own=True)

    def _led_to(self, shown: Pull, event: Opened) -> bool:
        """Whether a pull request of the branch comes from this entry of the journal.

        Never one of somebody else's, who may open one as soon as the branch is there.
        """
        if shown.user.id != self._own:
            return False
        if shown.state == "open":
            return True
        told = self._comments.opening(shown.number)
        if told is None:
            return shown.created_at >= event.at - _CLOCKS_DIFFER_S
        return (told.at, told.head) == (event.at, event.head)

    def _carry_on(
        self, branch: str, commit: str, event: Opened, undo: Sequence[Move], *, own: bool
    ) -> Pull:
        """Do the rest of an opening. `own`: an open pull request of this branch comes from it."""
        try:
            shown, made = self._create(branch, event, own=own)
        except Rejected as error:
            if undo:
                self._journal.forget(OPENING, branch, commit, *undo)
            else:
                self._journal.done(OPENING, branch, commit)
            if _EXISTS.search(str(error)):
                raise BranchTaken(f"Branch {branch} has a pull request open.") from None
            raise
        if made:
            self._memory.opened(shown)
        self._describe(shown, event, new=made)
        self._journal.done(OPENING, branch, commit)
        return shown

    def _create(self, branch: str, event: Opened, *, own: bool) -> tuple[Pull, bool]:
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
        except (Rejected, Uncertain) as error:
            exists = own and _EXISTS.search(str(error))
            if isinstance(error, Rejected) and not exists:
                raise
            there = self._of(branch, "open")
            if exists and not there:  # an older list
                raise Unreachable(f"GitHub does not list yet what {branch} opened.") from None
            shown = next((pull for pull in there if pull.user.id == self._own), None)
            if shown is None:
                raise
            return shown, False

    def _of(self, branch: str, state: str) -> list[Pull]:
        """The pull requests of a branch of this repository into the base, the latest first."""
        owner = self._client.repository.partition("/")[0]
        found = parse_all(Pull, self._client.list("pulls", head=f"{owner}:{branch}", state=state))
        same = [p for p in found if (p.head.ref, p.base.ref) == (branch, self._base_branch)]
        return sorted(same, key=lambda pull: pull.number, reverse=True)

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
