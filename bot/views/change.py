"""The diff of a pull request, as people look at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bot.forge.base import PullRequest
from bot.git import Repository
from bot.history import fingerprint
from bot.text.plain import inert_markdown
from runner.text import clean_text

_LIMIT = 200_000


def summary(before: Mapping[str, bytes], after: Mapping[str, bytes], entry: str) -> str:
    """What a change does in one or two lines: constants with old and new value, lines by file.

    Markdown. `entry` is the file with the tunable constants. Lines that only moved do not count.
    """
    old, new = (fingerprint.constants_vector(files, entry) for files in (before, after))
    names = [name for name in new if name in old and new[name] != old[name]]
    parts = [f"`{name}` {_value(old[name])} → {_value(new[name])}" for name in names[:8]]
    if len(names) > 8:
        parts.append(f"{len(names) - 8} more constants")
    for path in sorted(before.keys() | after.keys()):
        was, now = (Counter(side.get(path, b"").splitlines()) for side in (before, after))
        added, removed = (now - was).total(), (was - now).total()
        if added or removed:
            parts.append(f"`{inert_markdown(path, 100)}` +{added} -{removed} lines")
    return "; ".join(parts)


def _value(value: object) -> str:
    return inert_markdown(repr(value), 60)


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
    text = clean_text(diff[:_LIMIT], 4 * _LIMIT)  # a tab may become four spaces
    return text if len(diff) <= _LIMIT else f"{text}\n[{len(diff) - _LIMIT:,} bytes more]\n"
