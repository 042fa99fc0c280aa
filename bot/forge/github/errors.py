"""What can come of a call to GitHub, as types. Every message tells a person what to do."""

from __future__ import annotations

import json

from bot.forge import base
from bot.forge.base import ForgeError
from bot.text.plain import one_line


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
    """GitHub did not answer a question, or not with anything that can be read."""


class RateLimited(GitHubError, base.Unreachable):
    """GitHub wants us to wait longer than we are ready to; `wait_s` says how long."""

    def __init__(self, message: str, wait_s: float, status: int = 429) -> None:
        super().__init__(message, status)
        self.wait_s = wait_s
        self.retry_after_s = wait_s


def refused(status: int, method: str, url: str, text: str) -> GitHubError:
    """What an answer of 400 or more to a call means."""
    said = message_of(text)
    call = f"{method} {url.partition('?')[0]}"
    match status:
        case 401:
            return Unauthorized(
                f"GitHub does not accept the credential ({said}). Set GITHUB_TOKEN, or the App's"
                " key, anew; see docs/github.md.",
                status,
            )
        case 403:
            return Forbidden(
                f"The credential lacks a permission for {call} ({said}). `python -m bot doctor"
                " --github` says which it has.",
                status,
            )
        case 404 | 410:
            return NotFound(f"GitHub finds nothing for {call} ({said}).", status)
    return Rejected(f"GitHub refuses {call} ({status}: {said}).", status)


def broken(error: Exception, method: str, url: str) -> Exception:
    """What a connection that broke means: a write may have arrived. No text of the request."""
    from github import GithubException
    from requests.exceptions import HTTPError, RequestException

    if isinstance(error, HTTPError) and error.response is not None:
        return refused(error.response.status_code, method, url, "")
    if isinstance(error, GithubException):  # an App could not make its token: nothing was sent
        return refused(error.status, method, url, str(error.message))
    if not isinstance(error, RequestException | OSError):
        return error
    kind = type(error).__name__
    if method == "GET":
        return Unreachable(f"GitHub could not be reached for {url} ({kind}). Try again later.")
    return Uncertain(f"The connection broke during {method} {url} ({kind}).")


def message_of(text: str) -> str:
    """GitHub's own words, which are data: one bounded line."""
    try:
        body = json.loads(text)
    except ValueError:
        return one_line(text, 200) or "no message"
    if not isinstance(body, dict):
        return "no message"
    errors = body.get("errors")
    more = [
        str(error.get("message") or error.get("code")) if isinstance(error, dict) else str(error)
        for error in (errors if isinstance(errors, list) else [])
    ]
    return one_line("; ".join([str(body.get("message", "no message")), *more]), 300)
