"""Audits on GitHub: chains of commits under `refs/forge/audits`, pushed beside the branches.

No page of GitHub shows such refs, and no pull request speaks of them, but whoever may read the
repository can fetch them, and their results hold sealed scores. So they are encrypted with
`MERGELAB_AUDIT_KEY` where that is set, and in a public repository it must be.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from bot.forge.base import Audit, Conflict, ForgeError
from bot.forge.git.audits import NAMESPACE, GitAudits
from bot.forge.github.answers import RepositoryAnswer, parse
from bot.forge.github.client import GitHubClient
from bot.forge.github.remote import Move, Remote
from bot.git import Delete, Repository, Update

KEY = "MERGELAB_AUDIT_KEY"
_SEALED = "encrypted"


class GitHubAudits:
    """`bot.forge.base.Audits` of a repository on GitHub: those of this clone, pushed."""

    def __init__(
        self, repository: Repository, client: GitHubClient, remote: Remote, local: GitAudits
    ) -> None:
        self._repository = repository
        self._client = client
        self._remote = remote
        self._local = local

    def numbers(self) -> tuple[int, ...]:
        """The numbers of all audits, in order."""
        self._fetch()
        return self._local.numbers()

    def read(self, numbers: Collection[int] | None = None) -> tuple[Audit, ...]:
        """Audits in order of their numbers. Raises ForgeError where the key is missing."""
        self._fetch()
        return tuple(self._opened(audit) for audit in self._local.read(numbers))

    def begin(self, audit: Audit) -> None:
        """Make the chain of an audit. Raises Conflict when its number is not above all others."""
        if _key() is None and not parse(RepositoryAnswer, self._client.get("")).private:
            raise ForgeError(
                "This repository is public, and an audit keeps scores that no proposer may see."
                f" Set {KEY} to a secret of your own (`openssl rand -hex 32`), the same on every"
                " machine that runs the bot, or switch audits off in bot.toml."
            )
        self._fetch()
        self._local.begin(audit)
        self._push(audit.number, None)

    def record(self, number: int, index: int, result: Mapping[str, Any]) -> None:
        """Append a result. Raises Conflict and ForgeError."""
        self._fetch()
        before = self._repository.ref(_ref(number))
        self._local.record(number, index, _sealed(result))
        self._push(number, before)

    def _fetch(self) -> None:
        self._remote.fetch(f"+{NAMESPACE}/*:{NAMESPACE}/*")

    def _push(self, number: int, old: str | None) -> None:
        """Push what was written here; where somebody was faster it is taken back."""
        ref = _ref(number)
        new = self._repository.ref(ref)
        try:
            self._remote.push([Move(ref, new, old)])
        except ForgeError as error:
            if new is not None:
                back = Update(ref, old, new) if old else Delete(ref, new)
                self._repository.update_refs([back], "forge: not pushed")
            raise Conflict(f"Audit {number} was not pushed: {error}") from error

    def _opened(self, audit: Audit) -> Audit:
        results = {index: _unsealed(result) for index, result in audit.results.items()}
        return replace(audit, results=results)


def _ref(number: int) -> str:
    return f"{NAMESPACE}/{number}"


def _key() -> bytes | None:
    secret = os.environ.get(KEY, "").strip()
    if not secret:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest())


def _sealed(result: Mapping[str, Any]) -> dict[str, Any]:
    key = _key()
    if key is None:
        return dict(result)
    from cryptography.fernet import Fernet

    data = json.dumps(dict(result), allow_nan=False).encode()
    return {_SEALED: Fernet(key).encrypt(data).decode()}


def _unsealed(result: Mapping[str, Any]) -> Mapping[str, Any]:
    if set(result) != {_SEALED}:
        return result
    from cryptography.fernet import Fernet, InvalidToken

    key = _key()
    try:
        if key is None:
            raise InvalidToken
        opened = json.loads(Fernet(key).decrypt(str(result[_SEALED]).encode()))
    except (InvalidToken, ValueError):
        raise ForgeError(
            f"The audits are encrypted, and {KEY} is not set to the secret that they were written"
            " with. Set it, and run this again."
        ) from None
    return opened if isinstance(opened, dict) else {}
