"""Several clones over one remote: the remote's refs are the truth, and move before our own.

`fetch` brings this clone to where the remote is; `push` makes a transaction there, every ref
only from the value that is known here, all or none of them. A refused push changes nothing
anywhere and looks like any other lost race: whoever wrote looks again. A process that ends
between the two moves leaves a clone that is behind, which the next `fetch` mends.

Shared are the base branch, the pull requests and their branches, and by `look_up` and `publish`
what proposals have cost, so that caps count what all clones have spent. Audits stay with the
clone that made them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence

from bot.forge.base import Conflict, ForgeError, Unreachable
from bot.forge.git.refspecs import REFSPEC as PULLS
from bot.forge.git.store import NAMESPACE
from bot.git import Create, Delete, RefChange, RefMoved, Repository, Update, Verify
from bot.git.process import Completed
from bot.git.refs import expected_at, wanted_at
from bot.text.plain import one_line

_RACE = (
    *("stale info", "fetch first", "cannot lock ref", "already exists", "failed to update ref"),
    *("remote ref updated since checkout", "incorrect old value", "non-fast-forward"),
)
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc")
_PATIENCE = ("-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=60")
_SSH = "ssh -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
_OWN_SSH = ("GIT_SSH_COMMAND", "GIT_SSH")
_BRANCHES = "refs/heads/"
_TRIES = 5


def is_shared(ref: str) -> bool:
    """Whether a ref of the bot's own is on the remote as well: what proposals have cost."""
    return ref == "refs/forge/costs"


class OutOfStep(ForgeError):
    """This clone and the remote went different ways, which only a person can settle."""


class Sharing:
    """A remote through which several clones work on the same experiments."""

    def __init__(self, repository: Repository, remote: str, base_branch: str) -> None:
        self._repository = repository
        self._git = repository.git
        self._remote = remote
        self._base = base_branch
        self._mirror = f"refs/forge/shared/{remote}/"
        self._kept = f"refs/forge/kept/{remote}/"  # where the remote has refs of the bot's own
        self._patience: tuple[str, ...] = ()  # looked up before the first call

    def fetch(
        self, branches: Callable[[], Iterable[str]], advance: Callable[[str, str], None]
    ) -> None:
        """Bring base branch, pull requests and their branches to where the remote has them.

        `branches` names those of the open pull requests; `advance` moves the base branch with
        its working tree. What a person has committed here to an experiment's branch is pushed.

        Raises Unreachable, and OutOfStep when the two sides have gone different ways.
        """
        self.catch_up()
        self._follow_base(advance)
        for branch in dict.fromkeys(branches()):
            self._follow_branch(branch)

    def catch_up(self) -> None:
        """Fetch pull requests, and note where the remote has its branches.

        Raises Unreachable, and OutOfStep when pull requests differ.
        """
        done = self._ask(*_FETCH, "--prune", self._remote, PULLS, f"+{_BRANCHES}*:{self._mirror}*")
        if done.code == 0:
            return
        if "rejected" in done.stderr:
            raise OutOfStep(
                f"Pull requests of this clone and of {self._remote!r} with the same number differ: "
                f"{one_line(done.stderr, 300)}. Those that were made here before `forge.remote` "
                "was set must make way: `git update-ref -d REF` for each of their refs."
            )
        raise self._unreachable(done.stderr)

    def _unreachable(self, said: str) -> Unreachable:
        return Unreachable(
            f"Git could not fetch from {self._remote!r}: {one_line(said, 300)}. Look at "
            "the network and the remote's address, and run this again."
        )

    def look_up(self, ref: str) -> str | None:
        """Where the remote has a ref of the bot's own, with its objects. Raises Unreachable."""
        pattern = f"+{ref}*:{self._kept}{ref}*"  # a plain name that is not there would be an error
        done = self._ask(*_FETCH, "--prune", self._remote, pattern)
        if done.code:
            raise self._unreachable(done.stderr)
        return self._repository.ref(self._kept + ref)

    def publish(self, ref: str, old: str | None, new: str | None) -> None:
        """Move it there. Raises Conflict when it is not at `old`, and what `push` raises."""
        change: RefChange
        if new is None:
            change = Delete(ref, str(old))
        else:
            change = Update(ref, new, old) if old else Create(ref, new)
        try:
            self._send([change])
        except RefMoved as error:
            raise Conflict(str(error)) from error

    def branch(self, name: str) -> str | None:
        """Where the remote had a branch when it was last asked."""
        return self._repository.ref(self._mirror + name)

    def offer(self, name: str, here: str) -> None:
        """Push a person's branch, as it is here, before it becomes an experiment.

        Raises Conflict when the remote has something else under that name.
        """
        there = self.branch(name)
        if there != here:
            self.publish(_BRANCHES + name, there, here)

    def push(self, changes: Sequence[RefChange]) -> None:
        """Make these changes on the remote, those of shared refs.

        Raises RefMoved when one of them is not there where it is here, ForgeError when the
        remote forbids it, Unreachable when it does not answer.
        """
        shared = [change for change in changes if self._is_shared(change)]
        if any(not isinstance(change, Verify) for change in shared):
            self._send(shared)

    def _send(self, shared: Sequence[RefChange]) -> None:
        leases = [f"--force-with-lease={c.ref}:{expected_at(c) or ''}" for c in shared]
        specs = [f"{wanted_at(change) or ''}:{change.ref}" for change in shared]
        done = self._ask(
            *("push", "--porcelain", "--atomic", "--no-verify", "--no-follow-tags"),
            *("--recurse-submodules=no", "--signed=no", *leases, self._remote, *specs),
        )
        if done.code == 0:
            return
        said = done.stdout.decode("utf-8", "replace") + done.stderr
        if any(words in said for words in _RACE):
            lost = next((c for c in shared if _lost(c.ref, said)), shared[0])
            raise RefMoved(lost.ref, expected_at(lost), None)
        refused = [line for line in said.split("\n") if "rejected]" in line or "remote:" in line]
        if refused:
            raise ForgeError(
                f"{self._remote!r} refuses the push: {one_line(' '.join(refused), 400)}. Let the "
                "bot push to the base branch and to `refs/forge`."
            )
        raise Unreachable(
            f"Git could not push to {self._remote!r}: {one_line(done.stderr, 300)}. Look at the "
            "network, and run this again."
        )

    def _ask(self, *arguments: str) -> Completed:
        """Have git talk to the remote; one that does not answer is not waited for without end."""
        if not self._patience:
            self._patience = _PATIENCE
            if not any(map(os.environ.get, _OWN_SSH)) and not self._configured("core.sshCommand"):
                self._patience += ("-c", f"core.sshCommand={_SSH}")
        return self._git.run(*self._patience, *arguments, accepted=range(256))

    def _configured(self, key: str) -> bool:
        return bool(self._git.run("config", "--get", key, accepted=(0, 1)).stdout)

    def _is_shared(self, change: RefChange) -> bool:
        if isinstance(change, Verify) and change.old is None:
            return False  # a branch that is gone is no obstacle elsewhere either
        return change.ref.startswith((_BRANCHES, f"{NAMESPACE}/"))

    def _follow_base(self, advance: Callable[[str, str], None]) -> None:
        name, remote = self._base, self._remote
        for _ in range(_TRIES):
            here, there = self._repository.ref(_BRANCHES + name), self.branch(name)
            if there is None:
                raise OutOfStep(
                    f"{remote!r} has no branch {name!r}. Push it first: git push {remote} {name}"
                )
            if here is None or here == there:
                return
            if self._repository.is_ancestor(there, here):
                raise OutOfStep(
                    f"{name} has commits that {remote!r} lacks, and other clones could not see "
                    f"what is built on them. Push them first: git push {remote} {name}"
                )
            if not self._repository.is_ancestor(here, there):
                raise OutOfStep(
                    f"{name} and {remote}/{name} have gone different ways. Bring them together: "
                    f"git pull --rebase {remote} {name}, then git push {remote} {name}"
                )
            try:
                advance(here, there)
            except Conflict:
                continue  # another bot in this clone was first
            return

    def _follow_branch(self, name: str) -> None:
        """An experiment's branch: commits that only we have are pushed, else the remote leads.

        A branch that a person has checked out is left alone.
        """
        ref, there = _BRANCHES + name, self.branch(name)
        here = self._repository.ref(ref)
        if here == there or name == self._base:
            return
        change: RefChange
        if here is None:
            change = Create(ref, str(there))
        elif there is not None and self._repository.is_ancestor(there, here):
            self.publish(ref, there, here)
            return
        elif self._repository.checked_out(name) is not None:
            return
        else:
            change = Delete(ref, here) if there is None else Update(ref, there, here)
        with contextlib.suppress(RefMoved):  # another bot in this clone did the same
            self._repository.update_refs([change], f"forge: as {self._remote} has it", local=True)


def _lost(ref: str, said: str) -> bool:
    """Whether a line of the push's answer says that this ref was somewhere else."""
    lines = (line for line in said.split("\n") if line.startswith("!") and f":{ref}\t" in line)
    return any(words in line for line in lines for words in _RACE)
