"""Merge trees that a clone lacks, made again.

An attempt names the tree that was measured, but git carries only what commits hold from clone to
clone; and a step on GitHub works in a new clone each time. Base and head are commits, and their
merge is the same wherever it is made.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot.forge.base import PullRequest
from bot.git import GitError, Repository


def remake_trees(repository: Repository, pulls: Iterable[PullRequest]) -> None:
    """Make every merge tree of these pull requests' attempts readable that can be.

    One whose commits are gone stays missing: its results count for nothing then.
    """
    for pull in pulls:
        for attempt in pull.attempts:
            if repository.has(attempt.merge_tree):
                continue
            try:
                repository.merge_tree(attempt.base, attempt.head)
            except GitError:
                continue
