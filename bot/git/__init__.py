"""Git plumbing, typed: what the bot needs of git, by subprocess and without side effects.

Nothing here touches the user's index or working tree; the one place that does is
`bot.forge.git.worktree`.
"""

from __future__ import annotations

from bot.git.process import (
    GitError,
    GitFailed,
    GitLocked,
    GitMissing,
    NoIdentity,
    NotARepository,
)
from bot.git.refs import Create, Delete, RefChange, RefMoved, Shared, Update, Verify
from bot.git.repository import Conflicts, Identity, Repository

__all__ = [
    "Conflicts",
    "Create",
    "Delete",
    "GitError",
    "GitFailed",
    "GitLocked",
    "GitMissing",
    "Identity",
    "NoIdentity",
    "NotARepository",
    "RefChange",
    "RefMoved",
    "Repository",
    "Shared",
    "Update",
    "Verify",
]
