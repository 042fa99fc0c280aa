"""How a pull request begins here: a number, a branch and a chain in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from bot.forge.base import BranchTaken, Conflict, ForgeError, NewPull, PullRequest, State
from bot.forge.events import Opened, Person
from bot.forge.git import store
from bot.forge.git.chains import TRIES, Chains
from bot.forge.git.sharing import Sharing
from bot.forge.opening import in_the_way, title_of
from bot.git import Create, Delete, GitFailed, RefChange, RefMoved, Verify


class Openings:
    """Opens pull requests into one base branch.

    `now` gives seconds since 1970. `taken` tells the greatest number that is known from
    elsewhere to be given; `sharing` is the remote that several clones share, if they do.
    """

    def __init__(
        self,
        chains: Chains,
        base_branch: str,
        now: Callable[[], int],
        taken: Callable[[], int],
        sharing: Sharing | None,
    ) -> None:
        self._chains = chains
        self._now = now
        self._repository = chains.repository
        self._base_branch = base_branch
        self._taken = taken
        self._sharing = sharing

    def open(self, new: NewPull) -> PullRequest:
        """Create the branch (unless it is at `head` already) and the pull request.

        Raises what `bot.forge.base.Forge.open` raises.
        """
        title = title_of(self._repository, new, self._base_branch)
        branch_ref = f"refs/heads/{new.branch}"
        taken = self._taken()
        for _ in range(TRIES):
            # The number is looked for first: whoever opens after that takes the same number,
            # and whoever opened before is seen in the list.
            number = max(store.last_number(self._repository), taken) + 1
            for other in store.pulls(self._repository, State.OPEN):
                if other.branch == new.branch:
                    raise BranchTaken(f"Branch {new.branch} has pull request #{other.number} open.")
            at = self._repository.ref(branch_ref)
            if at is None and self._sharing and self._sharing.branch(new.branch):
                raise BranchTaken(f"Branch {new.branch} exists already on the remote.")
            if at not in {None, new.head}:
                raise BranchTaken(f"Branch {new.branch} exists already, at {at}.")
            if at is not None and self._sharing:
                self._sharing.offer(new.branch, at)
            event = Opened(
                at=self._now(),
                number=number,
                branch=new.branch,
                head=new.head,
                title=title,
                body=new.body,
                author=Person.of(new.author),
                record=dict(new.record),
            )
            tip, pull = self._chains.extend(None, None, [(event, new.author)])
            changes: list[RefChange] = [
                Create(store.head_ref(number), new.head),
                Create(store.meta_ref(number), tip),
                Verify(branch_ref, at) if at else Create(branch_ref, new.head),
                *([Delete(*new.instead_of)] if new.instead_of else []),
            ]
            try:
                self._repository.update_refs(changes, f"forge: open #{number}")
            except RefMoved as moved:
                if new.instead_of and moved.ref == new.instead_of[0]:
                    raise Conflict(f"Another bot has opened what {moved.ref} held.") from None
                if self._sharing:
                    self._sharing.catch_up()
                continue
            except GitFailed as error:
                raise self._in_the_way(new.branch) or error from error
            return pull
        raise Conflict("Too many others open pull requests at this moment. Try again.")

    def _in_the_way(self, branch: str) -> ForgeError | None:
        """What to say when `branch` would be a folder of another one, or the other way round."""
        other = in_the_way(self._repository, branch)
        if not other:
            return None
        return ForgeError(
            f"Branch {branch!r} cannot be created: a branch {other!r} is in its way, as a file is"
            f" in the way of a folder. Give that one another name: git branch -m {other} NEW-NAME"
        )
