"""Inspects the change that an experiment makes: in steps, the cheap ones first.

Git's list of changed entries tells what is touched; only where that is allowed are the sizes
looked up, and only where those are is anything read. So that nobody can make the bot read much.
"""

from __future__ import annotations

from bot.git import Repository
from bot.policy import rules as policy
from bot.policy.gitdiff import RawChange, UnreadableDiff, read_raw
from bot.policy.violation import Violation, unreadable
from bot.settings import Settings

MOST_VIOLATIONS = 20


def check_change(
    repository: Repository, fork: str, head: str, settings: Settings
) -> tuple[Violation, ...]:
    """What the change from `fork` to `head` does that bot.toml does not allow.

    Of many violations the first 20 are named.
    """
    rules = policy.Rules.of(settings.candidate)
    try:
        raw = read_raw(repository.raw_diff(fork, head))
    except UnreadableDiff as error:
        return (unreadable(str(error)),)
    broken = policy.check_entries(raw, rules) or _too_large(repository, head, raw, rules)
    broken = broken or policy.check_diff(repository.diff(fork, head), rules, raw)
    if not broken:
        before = _files(repository, fork, rules)
        broken = policy.check_files(_files(repository, head, rules), rules, before)
    return broken[:MOST_VIOLATIONS]


def _too_large(
    repository: Repository, head: str, raw: tuple[RawChange, ...], rules: policy.Rules
) -> tuple[Violation, ...]:
    sizes = repository.sizes(head, [entry.path.decode() for entry in raw])  # allowed names only
    found = (policy.check_size(path, size, rules) for path, size in sizes.items())
    return tuple(filter(None, found))


def _files(repository: Repository, tree: str, rules: policy.Rules) -> dict[str, bytes]:
    found = repository.read_files(tree, rules.paths)
    return {path: data for path, data in found.items() if data is not None}
