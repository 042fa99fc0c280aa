"""Who is who on GitHub: the bot's own account, and what others may do.

An account's numeric id decides, for instance whose comments are the bot's record: a name can be
given to somebody else.
"""

from __future__ import annotations

import os
from urllib.parse import quote

from bot.forge.base import Author, Permission
from bot.forge.github.answers import Access, User, parse
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Forbidden, NotFound, Unauthorized

_PERMISSIONS = {"admin": Permission.WRITE, "write": Permission.WRITE, "read": Permission.READ}
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


def permission_of(client: GitHubClient, author: Author) -> Permission:
    """What somebody may do now; nothing where their name is another account's by now."""
    if not author.id.isdecimal():
        return Permission.NONE
    try:
        answer = client.get(f"collaborators/{quote(author.name, safe='')}/permission")
    except NotFound:
        return Permission.NONE
    access = parse(Access, answer)
    if str(access.user.id) != author.id:
        return Permission.NONE
    return _PERMISSIONS.get(access.permission, Permission.NONE)
