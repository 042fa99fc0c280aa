"""The manners of the client: what is repeated, what is waited for, what is never believed."""

from __future__ import annotations

import logging

import pytest

from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Uncertain,
    Unreachable,
)
from bot.forge.github.limits import WriteBudget
from tests.bot.forge.github.conftest import MakeClient
from tests.bot.forge.hub import run
from tests.github.faults import Fault, primary_limit, secondary_limit
from tests.github.setting import BOT_TOKEN
from tests.github.state import GitHub

COMMENTS = "POST /repos/lab/research/issues/1/comments"


@pytest.fixture
def pull(github: GitHub, client: GitHubClient) -> int:
    bare = github.repository
    commit = bare.text("commit-tree", "main^{tree}", "-p", "main", "-m", "Work")
    bare.set_ref("refs/heads/exp/one", commit)
    body = {"title": "Try", "head": "exp/one", "base": "main"}
    return int(client.post("pulls", body)["number"])


def bodies(github: GitHub) -> list[str]:
    return [comment.body for comment in github.comments.values()]


def test_a_read_is_tried_again(
    github: GitHub, client: GitHubClient, pull: int, waited: list[float]
) -> None:
    github.faults.append(Fault("GET .*/pulls/1", times=2, status=503))
    assert client.get(f"pulls/{pull}")["number"] == 1
    assert waited == [2.0, 4.0]


def test_a_read_that_fails_again_and_again_is_unreachable(
    github: GitHub, client: GitHubClient, pull: int
) -> None:
    github.faults.append(Fault("GET .*/pulls/1", "drop", times=99))
    with pytest.raises(Unreachable):
        client.get("pulls/1")


@pytest.mark.parametrize("kind", ["status", "drop", "cut"])
def test_a_write_is_never_sent_twice(
    github: GitHub, client: GitHubClient, pull: int, kind: str
) -> None:
    github.faults.append(Fault(COMMENTS, kind, after=True, times=99))  # type: ignore[arg-type]
    with pytest.raises(Uncertain):
        client.post("issues/1/comments", {"body": "once"})
    assert bodies(github) == ["once"]


def test_a_write_that_hangs_is_uncertain(
    github: GitHub, make_client: MakeClient, pull: int
) -> None:
    github.faults.append(Fault(COMMENTS, "hang", after=True, seconds=2))
    with pytest.raises(Uncertain):
        make_client(timeout_s=1).post("issues/1/comments", {"body": "once"})
    assert bodies(github) == ["once"]


def test_a_refused_write_is_told_from_an_uncertain_one(
    github: GitHub, client: GitHubClient
) -> None:
    with pytest.raises(Rejected, match="head is invalid"):
        client.post("pulls", {"title": "x", "head": "nowhere", "base": "main"})
    with pytest.raises(NotFound):
        client.get("pulls/7")


def test_half_an_answer_is_no_answer(
    github: GitHub, client: GitHubClient, pull: int, waited: list[float]
) -> None:
    for body in ("a", "b"):
        client.post("issues/1/comments", {"body": body})
    github.faults.append(Fault("GET .*/comments", "cut"))
    assert [entry["body"] for entry in client.list("issues/1/comments")] == ["a", "b"]
    assert waited == [2.0]


def test_a_list_is_read_to_its_end_whatever_the_size_of_its_pages(
    github: GitHub, client: GitHubClient, pull: int
) -> None:
    for number in range(7):
        client.post("issues/1/comments", {"body": str(number)})
    github.page_limit = 2
    assert [entry["body"] for entry in client.list("issues/1/comments")] == list("0123456")


def test_a_list_with_a_page_that_cannot_be_had_is_an_error(
    github: GitHub, client: GitHubClient, pull: int
) -> None:
    for number in range(5):
        client.post("issues/1/comments", {"body": str(number)})
    github.page_limit = 2
    github.faults.append(Fault("GET .*/comments", skip=1, times=99))
    with pytest.raises(Unreachable):
        client.list("issues/1/comments")


def test_a_secondary_limit_is_waited_for_as_it_says(
    github: GitHub, client: GitHubClient, pull: int, waited: list[float]
) -> None:
    github.faults.append(secondary_limit(COMMENTS, retry_after=7))
    github.faults.append(secondary_limit(COMMENTS, retry_after=None, status=429))
    client.post("issues/1/comments", {"body": "once"})
    assert waited == [7.0, 120.0]
    assert bodies(github) == ["once"]


def test_a_primary_limit_is_waited_for_until_its_reset(
    github: GitHub, client: GitHubClient, pull: int, waited: list[float]
) -> None:
    github.faults.append(primary_limit("GET .*/pulls/1", github.now + 60))
    client.get("pulls/1")
    assert waited == [61.0]


def test_patience_has_a_bound(github: GitHub, client: GitHubClient, waited: list[float]) -> None:
    github.faults.append(primary_limit("GET .*", github.now + 3600))
    with pytest.raises(RateLimited, match="later") as caught:
        client.get("pulls")
    assert caught.value.wait_s == 3601.0
    assert waited == []


def test_what_has_not_changed_costs_nothing(
    github: GitHub, client: GitHubClient, pull: int
) -> None:
    first = client.get("pulls/1")
    counted = client.calls.counted
    assert client.get("pulls/1") == first
    assert (client.calls.counted, client.calls.unchanged) == (counted, 1)
    client.post("issues/1/comments", {"body": "news"})
    assert client.get("pulls/1")["updated_at"] != first["updated_at"]


def test_a_wrong_credential_says_what_to_do(make_client: MakeClient) -> None:
    with pytest.raises(Unauthorized, match="GITHUB_TOKEN"):
        make_client("wrong").get("pulls")


def test_a_missing_permission_says_what_to_do(
    github: GitHub, make_client: MakeClient, pull: int
) -> None:
    github.tokens[BOT_TOKEN].permissions["issues"] = "read"  # type: ignore[index]
    with pytest.raises(Forbidden, match="doctor"):
        make_client().put("issues/1/labels", {"labels": ["x"]})


def test_a_download_is_bounded(github: GitHub, client: GitHubClient) -> None:
    actor = next(iter(github.users.values()))
    made = github.new_run(".github/workflows/measure.yml", "workflow_dispatch", "main", "", actor)
    artifact = github.add_artifact(made.id, "result", b"x" * 100_000)
    path = f"actions/artifacts/{artifact.id}/zip"
    assert client.download(path, 100_000) == b"x" * 100_000
    with pytest.raises(Rejected, match="more than"):
        client.download(path, 99_999)
    artifact.expired = True
    with pytest.raises(NotFound):
        client.download(path, 1)


def test_the_credential_is_in_no_message_and_no_log(
    github: GitHub, client: GitHubClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    github.faults.append(Fault("GET .*", "drop", times=99))
    with pytest.raises(Unreachable) as caught:
        client.get("pulls")
    assert BOT_TOKEN not in str(caught.value) + caplog.text + repr(client.credential)


def test_git_talks_to_the_model_too(github: GitHub, address: str) -> None:
    url = f"http://x:{BOT_TOKEN}@{address.removeprefix('http://')}/lab/research.git"
    assert run(github.repository.path, "ls-remote", url, "main").endswith("refs/heads/main")


def test_our_own_budget_keeps_writes_below_the_hourly_limit() -> None:
    budget = WriteBudget(2)
    for now in (0.0, 10.0):
        assert budget.wait_s(now) == 0
        budget.spend(now)
    assert budget.wait_s(20.0) == 3580.0
    assert budget.wait_s(3600.0) == 0
