from __future__ import annotations

import pytest

from bot.forge.github.permissions import permissions_report
from tests.bot.forge.github.conftest import MakeClient
from tests.github.door import state
from tests.github.setting import BOT_TOKEN
from tests.github.state import GitHub

EVERYTHING = {
    "contents: write",
    "pull requests: write",
    "issues: write",
    "checks: write",
    "commit statuses: write",
    "actions: write",
}


def test_a_credential_with_every_permission_is_found_to_have_them(make_client: MakeClient) -> None:
    report = permissions_report(make_client())
    assert {grant.permission for grant in report.grants if grant.granted} == EVERYTHING
    assert (report.sufficient, report.checks, report.private) == (True, "check runs", True)


@pytest.mark.parametrize("permission", sorted(EVERYTHING))
def test_a_permission_that_is_missing_is_named(
    github: GitHub, make_client: MakeClient, permission: str
) -> None:
    area = permission.partition(":")[0].replace("commit ", "").replace(" ", "_")
    granted = github.tokens[BOT_TOKEN].permissions
    assert granted is not None
    granted[area] = "read"
    report = permissions_report(make_client())
    assert {grant.permission for grant in report.grants if not grant.granted} == {permission}
    assert report.sufficient == (
        permission not in {"contents: write", "pull requests: write", "issues: write"}
    )


def test_a_persons_token_shows_checks_as_statuses(github: GitHub, make_client: MakeClient) -> None:
    assert permissions_report(make_client("grace-token")).checks == "commit statuses"
    assert permissions_report(make_client("rita-token")).checks == "nothing"


def test_asking_changes_nothing(github: GitHub, make_client: MakeClient) -> None:
    before = state(github)
    permissions_report(make_client())
    after = state(github)
    assert {**after, "calls": []} == {**before, "calls": []}
