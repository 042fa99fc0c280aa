"""What a forge raises when it could not do something; each message tells people what to do."""

from __future__ import annotations


class ForgeError(Exception):
    """The forge refused or could not be reached; the message says what to do."""


class Unreachable(ForgeError):
    """The forge does not answer just now, or asks to wait: the same may succeed later.

    `retry_after_s` is how long it asked to wait, None when it did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Conflict(ForgeError):
    """Somebody else was first: nothing was changed. Take a new snapshot and decide again."""


class BranchTaken(Conflict):
    """The branch of a new pull request is somewhere else already; another name may be free."""


class NoSuchPull(ForgeError):
    """There is no pull request with this number."""


class WorktreeDirty(ForgeError):
    """The base branch is checked out, and `paths` hold changes of a person that would be lost.

    Nothing was changed: the merge waits until the person commits, stashes or drops them.
    """

    def __init__(self, paths: tuple[str, ...], place: str) -> None:
        super().__init__(
            f"Waiting: {place} has the base branch checked out, with changes of yours in"
            f" {', '.join(paths)}. Commit them, or put them aside with `git stash -u`."
        )
        self.paths = paths
