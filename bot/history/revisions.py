"""Which requests to revise an experiment were answered already: read from its branch and comments.

A revision is a commit on the experiment's branch with the trailer `Revision`, which names the
request; one that came to nothing is a comment of the bot's that names it. So a request is
answered once, whatever was killed when.
"""

from __future__ import annotations

import re

from bot.forge.base import PullRequest
from bot.git import Repository

SMOKE = ""
"""The request that nobody made: to repair what broke in the smoke run."""
_TRAILER = re.compile(r"\n\nRevision: ([A-Za-z0-9._-]{1,100})\n*\Z")
_HIDDEN = re.compile(r"<!-- revision: ([A-Za-z0-9._-]{1,100}) -->")


def message(words: str, request: str | None) -> str:
    """A commit message with the trailer if it is a revision's; `words` cannot pass for one."""
    words = words.rstrip().replace("Revision:", "Revision :")
    return f"{words}\n" if request is None else f"{words}\n\nRevision: {_word(request)}\n"


def hidden(request: str) -> str:
    """What a comment about a revision ends with, unseen by people."""
    return f"<!-- revision: {_word(request)} -->"


def unmarked(body: str) -> str:
    """A comment without the mark that people do not see."""
    return _HIDDEN.sub("", body).rstrip() if "<!-- revision:" in body else body


def answered(repository: Repository, pull: PullRequest, fork: str | None) -> frozenset[str]:
    """The requests that were answered; `fork` is where the branch left the base branch."""
    own = pull.author.is_bot or any(comment.author.is_bot for comment in pull.comments)
    messages = repository.messages(fork, pull.head) if fork and own else ()
    told = (comment.body for comment in pull.comments if comment.author.is_bot)
    found = {request for text in messages if (request := found_in(text))}
    return frozenset(found.union(*(_HIDDEN.findall(text) for text in told)))


def found_in(message: str) -> str | None:
    """The request that a commit with this message answers."""
    found = _TRAILER.search(message)
    return found[1] if found else None


def is_answered(request: str, done: frozenset[str]) -> bool:
    """Whether `request` is among those that `answered` found."""
    return _word(request) in done


def _word(request: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", request)[:100] or "smoke-run"
