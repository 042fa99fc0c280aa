"""Who is believed: forged records, checks, names and lists get nobody anywhere."""

from __future__ import annotations

import dataclasses

import pytest

from bot.forge.base import Author, Check, Conclusion, ForgeError, Permission, State, Stray
from bot.forge.events import Measured
from bot.forge.github import records
from bot.forge.github.errors import Unauthorized
from bot.forge.github.remote import Remote, clone_url
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.forge.hub import CLOSED, MERGED, attempt, close, merge, open_one, propose, run
from tests.bot.forge.test_contract import audit_of
from tests.github.setting import ACTIONS_TOKEN, BOT_TOKEN
from tests.github.state import GitHub

FORGED = Measured(at=1, attempt="a1", index=0, result={"metric": 0.0})


@pytest.fixture
def hub(on_github: GitHubHub) -> GitHubHub:
    on_github.forge.start(1, attempt(on_github, open_one(on_github)))
    return on_github


def forged_body() -> str:
    (body,) = records.record_bodies("0" * 16, "Measured.", [FORGED])
    return body


@pytest.mark.parametrize("login", ["mallory", "grace", "github-actions[bot]"])
def test_a_record_that_somebody_else_writes_is_only_words(
    hub: GitHubHub, github: GitHub, login: str
) -> None:
    github.comment(1, github.user(login), forged_body())
    pull = hub.forge.pull(1)
    assert pull.attempts[0].results == {}
    assert [comment.body.lstrip("\n") for comment in pull.comments] == [forged_body()]


def test_a_record_inside_words_of_the_bot_is_only_words(hub: GitHubHub) -> None:
    for author in (hub.forge.bot, Author("Ada", "ada@example.org")):
        hub.forge.comment(1, author, forged_body())
        hub.forge.comment(1, author, "x\n" + forged_body())
    pull = hub.forge.pull(1)
    assert pull.attempts[0].results == {}
    assert len(pull.comments) == 4


def test_a_record_inside_a_title_or_a_closing_comment_is_only_words(
    on_github: GitHubHub,
) -> None:
    hub = on_github
    pull = hub.forge.open(dataclasses.replace(propose(hub), body=forged_body()))
    hub.forge.start(1, attempt(hub, pull))
    base = hub.forge.base()
    hub.forge.close(
        1, head=pull.head, base=base, commit=base, verdict=CLOSED, comment=forged_body()
    )
    closed = hub.forge.pull(1)
    assert (closed.attempts[0].results, closed.verdict) == ({}, CLOSED)
    assert [comment.body for comment in closed.comments] == [forged_body()]


def test_a_record_that_was_edited_is_not_believed(hub: GitHubHub, github: GitHub) -> None:
    hub.forge.record(1, "a1", 0, {"metric": 9.0})
    (comment,) = [c for c in github.comments.values() if '"measured"' in c.body]
    comment.body = comment.body.replace("9.0", "0.1")
    comment.updated = github.tick()
    assert hub.forge.pull(1).attempts[0].results == {}
    hub.forge.record(1, "a1", 0, {"metric": 9.0})  # measured again
    assert hub.forge.pull(1).attempts[0].results == {0: {"metric": 9.0}}


def test_a_record_with_a_part_missing_does_not_count(hub: GitHubHub, github: GitHub) -> None:
    result = {"log_tail": "é" * 60_000}
    hub.forge.record(1, "a1", 0, result)
    assert hub.forge.pull(1).attempts[0].results == {0: result}
    parts = [c for c in github.comments.values() if " 1/1 -->" not in c.body]
    assert len(parts) == 2
    assert all(len(part.body.encode()) <= 65_535 for part in parts)
    del github.comments[parts[1].id]
    assert hub.forge.pull(1).attempts[0].results == {}


def test_what_fits_into_no_number_of_comments_is_refused(hub: GitHubHub, github: GitHub) -> None:
    before = len(github.comments)
    with pytest.raises(ForgeError, match="Nothing was written"):
        hub.forge.record(1, "a1", 0, {"log_tail": "x" * 2_000_000})
    assert len(github.comments) == before


def test_what_the_record_has_lost_the_ledger_still_tells(hub: GitHubHub, github: GitHub) -> None:
    pull = hub.forge.pull(1)
    merge(hub, pull)
    (comment,) = [c for c in github.comments.values() if '"kind": "merged"' in c.body]
    del github.comments[comment.id]
    hub.verdicts[1] = MERGED
    assert (hub.forge.pull(1).state, hub.forge.pull(1).verdict) == (State.MERGED, MERGED)
    assert hub.forge.pulls(State.OPEN) == ()


# Checks


def test_a_check_of_another_app_is_none_of_ours(hub: GitHubHub, github: GitHub) -> None:
    pull = hub.forge.pull(1)
    ours = Check("a1", pull.head, Conclusion.NEUTRAL, "35.2 (+0.1)", "It is worse.")
    forged = {
        "name": "mergelab",
        "head_sha": pull.head,
        "external_id": "a1",
        "conclusion": "neutral",
        "output": {"title": "0.1 (-99)", "summary": "Merge me"},
    }
    hub.new_client(ACTIONS_TOKEN).post("check-runs", forged)
    assert hub.forge.pull(1).checks == ()
    hub.forge.post(1, ours)
    hub.forge.post(1, ours)  # after a crash, say
    assert hub.forge.pull(1).checks == (ours,)
    assert [check.app for check in github.checks.values()] == [15368, 77]


def test_a_check_is_cut_between_characters(hub: GitHubHub, github: GitHub) -> None:
    head = hub.forge.pull(1).head
    hub.forge.post(1, Check("a1", head, Conclusion.FAILURE, "t" * 999, "é" * 60_000))
    (check,) = github.checks.values()
    assert 65_000 < len(check.output["summary"].encode()) <= 65_535


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [("success", "success"), ("neutral", "failure"), ("failure", "error"), ("timed_out", "error")],
)
def test_where_check_runs_are_not_allowed_a_status_is_shown(
    hub: GitHubHub, github: GitHub, conclusion: str, state: str
) -> None:
    permissions = github.tokens[BOT_TOKEN].permissions
    assert permissions is not None
    permissions["checks"] = "none"
    head = hub.forge.pull(1).head
    hub.forge.post(1, Check("a1", head, Conclusion(conclusion), "11.3 (-2.1 ± 0.4)", "long"))
    (status,) = github.statuses
    assert (status.sha, status.state, status.description) == (head, state, "11.3 (-2.1 ± 0.4)")


# People


def test_a_permission_belongs_to_a_number_not_to_a_name(
    on_github: GitHubHub, github: GitHub
) -> None:
    forge, grace = on_github.forge, github.user("grace")
    assert forge.permission(Author("grace", "102")) is Permission.WRITE
    assert forge.permission(Author("ada", "101")) is Permission.WRITE
    assert forge.permission(Author("rita", "103")) is Permission.READ
    assert forge.permission(Author("mallory", "104")) is Permission.NONE
    assert forge.permission(Author("nobody", "105")) is Permission.NONE
    assert forge.permission(Author("grace", "104")) is Permission.NONE  # took over her name
    assert forge.permission(Author("../../user", "102")) is Permission.NONE
    assert forge.permission(Author("grace", "grace@example.org")) is Permission.NONE
    grace.permission = "read"
    assert forge.permission(Author("grace", "102")) is Permission.READ


def test_a_pull_request_of_a_stranger_is_no_experiment_until_it_is_labelled(
    on_github: GitHubHub, github: GitHub
) -> None:
    pull = open_one(on_github)
    github.pulls[1].user = github.user("mallory")
    github.pulls[1].labels.clear()
    assert on_github.forge.pulls() == on_github.forge.pulls(State.OPEN) == ()
    github.pulls[1].labels.append("experiment")
    (seen,) = on_github.forge.pulls(State.OPEN)
    assert (seen.number, seen.author) == (pull.number, Author("mallory", "104"))


def test_what_a_person_closed_waits_for_the_bot_to_say_so(hub: GitHubHub, github: GitHub) -> None:
    pull = hub.forge.pull(1)
    client = hub.new_client("grace-token")
    client.patch("issues/1", {"state": "closed"})
    assert [each.number for each in hub.forge.pulls(State.OPEN)] == [1]
    assert hub.forge.sync_heads() == (Stray(1, pull.head, None),)
    close(hub, pull)
    assert hub.forge.pulls(State.OPEN) == ()
    assert hub.forge.sync_heads() == ()


def test_closed_pull_requests_of_others_do_not_hide_what_a_person_closed(
    hub: GitHubHub, github: GitHub
) -> None:
    hub.new_client("grace-token").patch("issues/1", {"state": "closed"})
    for number in range(2, 62):
        github.pulls[number] = dataclasses.replace(
            github.pulls[1], number=number, id=github.new_id(), user=github.user("mallory"),
            labels=[], updated=github.tick(), fork=True,
        )  # fmt: skip
    assert [stray.number for stray in hub.forge.sync_heads()] == [1]


def test_what_a_person_merged_with_the_button_is_in_the_base_branch(
    hub: GitHubHub, github: GitHub
) -> None:
    hub.new_client("grace-token").put("pulls/1/merge", {})
    base = hub.forge.base()
    assert hub.forge.sync_heads() == ()
    (pull,) = hub.forge.pulls(State.OPEN)
    assert hub.repository.is_ancestor(pull.head, base)
    assert run(hub.path, "rev-parse", "main") == base  # the clone has followed


def test_a_person_who_speaks_through_the_bots_credential_is_not_the_bot(
    on_github: GitHubHub,
) -> None:
    hub = on_github
    hub.forge.open(propose(hub))  # in Ada's name
    hub.forge.comment(1, Author("Ada", "ada@example.org"), "/bot hold")
    hub.forge.comment(1, hub.forge.bot, "Held.")
    pull = hub.forge.pull(1)
    said = [(comment.author.id, comment.author.is_bot) for comment in pull.comments]
    assert said == [(hub.forge.bot.id, False), (hub.forge.bot.id, True)]
    assert not pull.author.is_bot
    assert hub.forge.permission(pull.author) is Permission.WRITE


def test_a_comment_of_the_bot_that_somebody_edited_is_its_word_no_longer(
    hub: GitHubHub, github: GitHub
) -> None:
    hub.forge.comment(1, hub.forge.bot, "No.")
    comment = max(github.comments.values(), key=lambda each: each.id)
    comment.body, comment.updated = comment.body.replace("No.", "Yes."), github.tick()
    (seen,) = hub.forge.pull(1).comments
    assert (seen.body, seen.edited) == ("Yes.", True)
    assert seen.author.id != hub.forge.bot.id


# Git


def test_unpushed_commits_of_a_person_are_left_alone(on_github: GitHubHub) -> None:
    hub = on_github
    mine = hub.commit({"notes.md": b"mine\n"}, hub.forge.base())
    run(hub.path, "reset", "-q", "--hard", mine)
    with pytest.raises(ForgeError, match="git push"):
        hub.forge.base()
    assert run(hub.path, "rev-parse", "main") == mine


def test_metacharacters_in_a_branch_name_do_nothing(on_github: GitHubHub, github: GitHub) -> None:
    hub = on_github
    name = "exp/$(touch${IFS}x);`id`&'\"|>%2e#é"
    pull = hub.forge.open(dataclasses.replace(propose(hub), branch=name))
    assert (pull.branch, hub.branch(name)) == (name, pull.head)
    merge(hub, pull)
    assert hub.forge.pull(1).state is State.MERGED


def test_the_credential_reaches_git_by_the_environment_alone(
    on_github: GitHubHub, github: GitHub, address: str
) -> None:
    hub = on_github
    url = clone_url(address, github.full_name)
    remote = Remote(hub.repository, url, hub.client.credential)
    pull = hub.another_bot(remote=remote).open(propose(hub))
    assert hub.branch("exp/one") == pull.head
    configuration = run(hub.path, "config", "--list", "--show-origin")
    assert BOT_TOKEN not in configuration and "extraheader" not in configuration.lower()
    wrong = Remote(hub.repository, url, hub.new_client("wrong").credential)
    with pytest.raises(ForgeError, match="could not fetch") as caught:
        wrong.fetch()
    assert "wrong" not in str(caught.value)


def test_where_git_is_follows_from_the_address_of_the_api() -> None:
    assert clone_url("https://api.github.com", "a/b") == "https://github.com/a/b.git"
    assert clone_url("https://git.lab.example/api/v3", "a/b") == "https://git.lab.example/a/b.git"


# The account


def test_the_account_of_an_app_must_be_named(on_github: GitHubHub) -> None:
    with pytest.raises(Unauthorized, match=r"forge\.account"):
        on_github.another_bot(account="")
    with pytest.raises(Unauthorized, match=r"forge\.account"):
        on_github.another_bot(account="nobody[bot]")


def test_a_token_of_a_person_tells_its_account(on_github: GitHubHub) -> None:
    forge = on_github.another_bot(on_github.new_client("grace-token"), account="")
    assert (forge.bot.name, forge.bot.id) == ("grace", "102")


# Audits


def test_audits_of_a_public_repository_need_a_key(
    on_github: GitHubHub, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = on_github
    github.private = False
    monkeypatch.delenv("MERGELAB_AUDIT_KEY", raising=False)
    with pytest.raises(ForgeError, match="MERGELAB_AUDIT_KEY"):
        hub.forge.audits.begin(audit_of(hub))
    monkeypatch.setenv("MERGELAB_AUDIT_KEY", "correct horse")
    hub.forge.audits.begin(audit_of(hub))
    hub.forge.audits.record(1, 0, {"sealed": {"metric": 3.25}})
    tip = github.repository.refs()["refs/forge/audits/1"]
    assert "3.25" not in github.repository.text("show", tip)
    assert hub.forge.audits.read()[0].results == {0: {"sealed": {"metric": 3.25}}}
    monkeypatch.setenv("MERGELAB_AUDIT_KEY", "wrong")
    with pytest.raises(ForgeError, match="MERGELAB_AUDIT_KEY"):
        hub.another_bot().audits.read()
