"""Who the bot is on GitHub: its account's numeric id decides whose comments are its record."""

from __future__ import annotations

import os

from bot.forge.github.answers import User, parse
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Forbidden, NotFound, Unauthorized

_ACTIONS = User(id=41898282, login="github-actions[bot]", type="Bot")


def whoami(client: GitHubClient, login: str = "", number: int = 0) -> User:
    """The account behind the credential; `login` is what bot.toml says, needed for an App.

    With its numeric id as well nobody has to be asked.

    A token of a person says who it belongs to; that of an App does not, so that its name is
    looked up: `NAME[bot]`, and that of GitHub Actions where the workflow token is used.
    """
    if not login:
        try:
            return parse(User, client.get("/user"))
        except Forbidden:
            if os.environ.get("GITHUB_ACTIONS") == "true":
                return _ACTIONS
    if not login:
        raise Unauthorized(
            "The credential belongs to a GitHub App, which cannot say its own name. Set"
            ' forge.account in bot.toml to it, for example account = "my-app[bot]".'
        )
    if number:
        return User(id=number, login=login, type="Bot" if login.endswith("[bot]") else "User")
    try:
        return parse(User, client.get(f"/users/{login}"))
    except NotFound:
        raise Unauthorized(
            f"GitHub knows no account {login!r}. Correct forge.account in bot.toml."
        ) from None
