"""What the credential may do, found out by asking for each thing in a way that cannot happen.

Every probe is a write that GitHub must refuse: for a lack of permission (403), or else because it
makes no sense (404, 422). Nothing is ever changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.forge.github.answers import RepositoryAnswer, parse
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import (
    Forbidden,
    GitHubError,
    NotFound,
    Rejected,
    Uncertain,
    Unreachable,
)

_NOBODY = 2**31 - 1  # no pull request has this number
_NO_COMMIT = "0" * 40


@dataclass(frozen=True)
class Grant:
    """One permission: what it is for, and whether the credential has it (None: not known)."""

    permission: str  # as GitHub's settings call it, with its level
    needed_for: str
    granted: bool | None
    required: bool
    words: str  # what follows from it, or what to do


@dataclass(frozen=True)
class PermissionsReport:
    """Everything that `bot doctor --github` says about the credential."""

    repository: str
    private: bool | None
    grants: tuple[Grant, ...]

    @property
    def sufficient(self) -> bool:
        """Whether the bot can work with this credential."""
        return all(grant.granted is not False for grant in self.grants if grant.required)

    @property
    def checks(self) -> str:
        """How a check is shown: "check runs", "commit statuses" or "nothing"."""
        known = {grant.permission: grant.granted for grant in self.grants}
        if known["checks: write"]:
            return "check runs"
        return "commit statuses" if known["commit statuses: write"] else "nothing"


def permissions_report(client: GitHubClient) -> PermissionsReport:
    """Ask for every permission that the bot needs; a dozen calls, none of which changes anything.

    Raises Unauthorized for a wrong credential, NotFound for a repository that it cannot see.
    """
    shown = parse(RepositoryAnswer, client.get(""))
    contents = shown.permissions.get("push")
    grants = (
        Grant(
            "contents: write",
            "branches, merges and the ledger, by git push",
            contents,
            True,
            _words(contents, "Grant it, or nothing can be opened."),
        ),
        _probed(
            "pull requests: write",
            "opening and closing experiments",
            lambda: client.post("pulls", {"title": "", "head": "", "base": ""}),
        ),
        _probed(
            "issues: write",
            "comments, which are the record, and labels",
            lambda: client.post(f"issues/{_NOBODY}/labels", {"labels": []}),
        ),
        _probed(
            "checks: write",
            "check runs",
            lambda: client.post("check-runs", {"head_sha": _NO_COMMIT}),
            required=False,
            otherwise="Commit statuses take their place; only an App can write check runs.",
        ),
        _probed(
            "commit statuses: write",
            "checks where check runs cannot be written",
            lambda: client.post(f"statuses/{_NO_COMMIT}", {}),
            required=False,
            otherwise="Needed only where check runs cannot be written.",
        ),
        _probed(
            "actions: write",
            "starting measurements on the lab's runners",
            lambda: client.post("actions/workflows/0/dispatches", {"ref": ""}),
            required=False,
            otherwise="Needed where GitHub Actions measure; not where this machine does.",
        ),
    )
    return PermissionsReport(shown.full_name, shown.private, grants)


def _probed(
    permission: str,
    needed_for: str,
    probe: Callable[[], object],
    *,
    required: bool = True,
    otherwise: str = "Grant it, or the bot cannot work.",
) -> Grant:
    granted: bool | None
    try:
        probe()
        granted = None  # GitHub took what makes no sense: nothing is known then
    except Forbidden:
        granted = False
    except (Rejected, NotFound):
        granted = True
    except (Uncertain, Unreachable, GitHubError):
        granted = None
    return Grant(permission, needed_for, granted, required, _words(granted, otherwise))


def _words(granted: bool | None, otherwise: str) -> str:
    if granted is None:
        return "GitHub did not say."
    return "Granted." if granted else f"Missing. {otherwise}"
