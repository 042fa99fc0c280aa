"""What can come of a call to GitHub, as types. Every message tells a person what to do."""

from __future__ import annotations

from bot.forge import base
from bot.forge.base import ForgeError


class GitHubError(ForgeError):
    """GitHub answered with an error, or not at all."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Unauthorized(GitHubError):
    """The credential is missing, wrong or has expired."""


class Forbidden(GitHubError):
    """The credential lacks a permission that the call needs."""


class NotFound(GitHubError):
    """There is no such thing, or the credential may not see it."""


class Rejected(GitHubError):
    """GitHub understood, and refuses (409, 405, 422 ...): nothing was changed."""


class Uncertain(GitHubError, base.Unreachable):
    """A write may or may not have happened: read before anything else, never repeat it blindly."""


class Unreachable(GitHubError, base.Unreachable):
    """Reading failed several times in a row."""


class RateLimited(GitHubError, base.Unreachable):
    """GitHub wants us to wait longer than we are ready to; `wait_s` says how long."""

    def __init__(self, message: str, wait_s: float, status: int = 429) -> None:
        super().__init__(message, status)
        self.wait_s = wait_s
        self.retry_after_s = wait_s
