"""The usual cast: an owner, a member, a reader, a stranger, and the bot as an App."""

from __future__ import annotations

from pathlib import Path

from tests.github.state import GitHub

APP = 77
BOT_ID = 9001
BOT_LOGIN = "mergelab[bot]"
BOT_TOKEN = "bot-token"
ACTIONS_APP = 15368
ACTIONS_TOKEN = "actions-token"
ADMIN_TOKEN = "admin-token"
ALL = {
    "contents": "write",
    "pull_requests": "write",
    "issues": "write",
    "checks": "write",
    "statuses": "write",
    "actions": "write",
    "metadata": "read",
}


def new_github(repository: Path, *, private: bool = True) -> GitHub:
    """A repository on GitHub, backed by a bare one, with people and tokens."""
    return populate(GitHub(repository, private=private))


def populate(github: GitHub) -> GitHub:
    """The same people and tokens for another one."""
    owner = github.add_user("ada", "admin", id=101)
    member = github.add_user("grace", "write", id=102)
    reader = github.add_user("rita", "read", id=103)
    stranger = github.add_user("mallory", "none", id=104)
    bot = github.add_user(BOT_LOGIN, "write", id=BOT_ID, type="Bot")
    workflows = github.add_user("github-actions[bot]", "write", id=41898282, type="Bot")
    github.add_token(BOT_TOKEN, bot, app=APP, slug="mergelab", **ALL)
    github.add_token(ACTIONS_TOKEN, workflows, app=ACTIONS_APP, slug="github-actions", **ALL)
    github.add_token(ADMIN_TOKEN, owner)
    for user in (member, reader, stranger):
        github.add_token(f"{user.login}-token", user)
    return github
