"""Who the bot is on GitHub: a token, or a GitHub App that makes its own. Never logged.

From the environment: `GITHUB_TOKEN`, or `MERGELAB_APP_ID` with `MERGELAB_APP_PRIVATE_KEY` (the
key itself in PEM form) and, to save a call, `MERGELAB_APP_INSTALLATION_ID`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bot.forge.github.errors import Unauthorized

if TYPE_CHECKING:
    from github.Auth import Auth

TOKEN = "GITHUB_TOKEN"  # noqa: S105 (names of variables, not secrets)
APP_ID = "MERGELAB_APP_ID"
APP_KEY = "MERGELAB_APP_PRIVATE_KEY"
INSTALLATION = "MERGELAB_APP_INSTALLATION_ID"


class Credential(Protocol):
    """Something that GitHub lets in."""

    def auth(self) -> Auth:
        """For PyGithub."""
        ...

    def token(self) -> str:
        """For git, as the password. It may last an hour only: ask for it anew each time."""
        ...


@dataclass(frozen=True)
class TokenCredential:
    """A fine-grained token, the workflow token, or one that an App made."""

    secret: str = field(repr=False)

    def auth(self) -> Auth:
        """For PyGithub."""
        from github import Auth

        return Auth.Token(self.secret)

    def token(self) -> str:
        """For git."""
        return self.secret


class AppCredential:
    """A GitHub App installed in the repository; its tokens last an hour and are made anew."""

    def __init__(
        self, app: str, key: str, repository: str, api_url: str, installation: int | None = None
    ) -> None:
        from github import Auth, GithubIntegration

        self._app = Auth.AppAuth(app, key)
        if installation is None:
            owner, name = repository.split("/")
            found = GithubIntegration(auth=self._app, base_url=api_url, retry=0)
            installation = found.get_repo_installation(owner, name).id
        self._auth = self._app.get_installation_auth(installation)
        self._api_url = api_url

    def auth(self) -> Auth:
        """For PyGithub."""
        return self._auth

    def token(self) -> str:
        """For git."""
        return str(self._auth.token)


def credential(environment: Mapping[str, str], repository: str, api_url: str) -> Credential:
    """The credential that the environment gives. Raises Unauthorized."""
    app, key = environment.get(APP_ID, "").strip(), environment.get(APP_KEY, "").strip()
    if app and key:
        installation = environment.get(INSTALLATION, "").strip()
        number = int(installation) if installation.isdecimal() else None
        return AppCredential(app, key, repository, api_url, number)
    token = environment.get(TOKEN, "").strip()
    if token:
        return TokenCredential(token)
    raise Unauthorized(
        f"There is no credential for GitHub. Set {TOKEN} to a fine-grained token, or {APP_ID} and"
        f" {APP_KEY} to those of a GitHub App; docs/github.md says which permissions it needs."
    )


def git_header(token: str) -> str:
    """The header that lets git in; given by the environment, never on a command line."""
    pair = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return f"AUTHORIZATION: basic {pair}"
