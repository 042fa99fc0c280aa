"""The diff of a pull request, as people look at it."""

from __future__ import annotations

from bot.forge.base import PullRequest
from bot.git import Repository
from runner.text import clean_text

_LIMIT = 200_000


def pull_diff(repository: Repository, pull: PullRequest, base: str) -> str:
    """What the pull request changes against the commit it started from, safe to print.

    That commit is noted when the pull request is opened; without the note (or when it is
    gone) the common ancestor with `base` is taken. Beyond 200,000 bytes the end is cut.
    """
    noted = pull.record.get("fork")
    fork = repository.resolve(noted) if isinstance(noted, str) and noted else None
    fork = fork or repository.merge_base(base, pull.head)
    if fork is None:
        return ""
    diff = repository.diff(fork, pull.head)
    text = clean_text(diff[:_LIMIT], _LIMIT)
    return text if len(diff) <= _LIMIT else f"{text}\n[{len(diff) - _LIMIT:,} bytes more]\n"
