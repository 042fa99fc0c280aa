"""What GitHub knows: people, pull requests, comments, labels, checks, runs of workflows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from tests.github.faults import Fault
from tests.github.repository import BareRepository

Json = dict[str, Any]
START = 1_780_000_000
_WRITE = {"admin", "maintain", "write"}


class Refused(Exception):
    """GitHub's answer is an error."""

    def __init__(self, status: int, message: str, errors: list[Json] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        if errors:
            self.body["errors"] = errors


@dataclass
class User:
    """A person or a bot. `permission` is for the one repository that the model has."""

    id: int
    login: str
    permission: str = "none"  # admin, maintain, write, triage, read, none
    type: str = "User"

    @property
    def may_write(self) -> bool:
        return self.permission in _WRITE


@dataclass
class Token:
    """What a credential may do. `app` is the numeric id of a GitHub App, None for a person's."""

    user: User
    app: int | None = None
    app_slug: str = ""
    permissions: dict[str, str] | None = None  # None: whatever the user may do

    def allows(self, area: str, level: str) -> bool:
        if self.permissions is None:
            return level == "read" or self.user.may_write
        granted = self.permissions.get(area, "none")
        return granted in ({"read", "write"} if level == "read" else {"write"})


@dataclass
class Comment:
    id: int
    issue: int
    user: User
    body: str
    created: int
    updated: int
    reactions: list[tuple[int, User, str]] = field(default_factory=list)
    app: int | None = None


@dataclass
class ReviewComment:
    id: int
    pull: int
    review: int | None
    user: User
    body: str
    path: str
    line: int | None
    side: str
    commit: str
    created: int
    reply_to: int | None = None


@dataclass
class Review:
    id: int
    pull: int
    user: User
    state: str
    body: str
    commit: str
    submitted: int | None  # None: it is being written
    edited: int | None = None


@dataclass
class Pull:
    number: int
    id: int
    user: User
    title: str
    body: str
    branch: str
    base: str
    head: str
    base_sha: str
    created: int
    updated: int
    fork: bool = False  # the head branch lives in somebody else's copy
    draft: bool = False
    state: str = "open"
    closed: int | None = None
    closed_by: User | None = None
    merged: int | None = None
    merged_by: User | None = None
    merge_commit: str | None = None
    labels: list[str] = field(default_factory=list)
    reactions: list[tuple[int, User, str]] = field(default_factory=list)


@dataclass
class CheckRun:
    id: int
    app: int
    app_slug: str
    name: str
    head: str
    status: str
    conclusion: str | None
    external_id: str
    output: Json
    details_url: str
    started: int
    completed: int | None


@dataclass
class Status:
    id: int
    sha: str
    context: str
    state: str
    description: str
    target_url: str
    creator: User
    created: int


@dataclass
class Artifact:
    id: int
    run: int
    name: str
    data: bytes  # a zip archive
    created: int
    expired: bool = False


@dataclass
class WorkflowRun:
    """One run of a workflow. Who plays the runner changes it with `GitHub.finish_run`."""

    id: int
    path: str  # .github/workflows/measure.yml
    event: str
    head_branch: str
    head_sha: str
    actor: User
    created: int
    updated: int
    inputs: Json = field(default_factory=dict)
    attempt: int = 1
    status: str = "queued"
    conclusion: str | None = None
    repository: str = ""  # of the head; a fork's name for its pull requests


@dataclass(frozen=True)
class Call:
    """One request that the server answered."""

    method: str
    path: str
    query: str
    status: int
    token: str


class GitHub:
    """One repository on GitHub with everybody who has to do with it."""

    def __init__(
        self,
        path: Path,
        full_name: str = "lab/research",
        *,
        private: bool = True,
        default_branch: str = "main",
    ) -> None:
        self.repository = BareRepository(path)
        self.full_name = full_name
        self.private = private
        self.default_branch = default_branch
        self.lock = threading.RLock()
        self.users: dict[int, User] = {}
        self.tokens: dict[str, Token] = {}
        self.pulls: dict[int, Pull] = {}
        self.comments: dict[int, Comment] = {}
        self.review_comments: dict[int, ReviewComment] = {}
        self.reviews: dict[int, Review] = {}
        self.labels: dict[str, Json] = {}
        self.checks: dict[int, CheckRun] = {}
        self.statuses: list[Status] = []
        self.runs: dict[int, WorkflowRun] = {}
        self.artifacts: dict[int, Artifact] = {}
        self.events: list[Json] = []  # of issues: labelled, closed, merged ...
        self.settings: dict[str, Json] = {}  # environments, protections, rulesets, variables
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.limit = 5000
        self.used = 0
        self.reset = START + 3600
        self.page_limit = 100  # GitHub gives at most this many a page
        self.merge_delay = 0  # looks at a pull request before its merge shows
        self.now = START
        self.on_dispatch: Callable[[WorkflowRun], None] | None = None
        self._ids = count(1001)
        self._base = ""
        self._delays: dict[int, int] = {}

    # People

    def add_user(
        self, login: str, permission: str = "none", *, id: int | None = None, type: str = "User"
    ) -> User:
        user = User(id or next(self._ids), login, permission, type)
        self.users[user.id] = user
        return user

    def add_token(
        self, text: str, user: User, *, app: int | None = None, slug: str = "", **permissions: str
    ) -> Token:
        """A credential; with `permissions` it is limited to those, as an App's token is."""
        token = Token(user, app, slug, permissions or None)
        self.tokens[text] = token
        return token

    def user(self, login: str) -> User:
        found = [user for user in self.users.values() if user.login.lower() == login.lower()]
        if not found:
            raise Refused(404, "Not Found")
        return found[0]

    # Time and identity

    def tick(self) -> int:
        self.now += 1
        return self.now

    def new_id(self) -> int:
        return next(self._ids)

    def log_event(self, issue: int, event: str, actor: User | None, **more: Any) -> None:
        self.events.append(
            {"id": self.new_id(), "issue": issue, "event": event, "actor": actor}
            | {"created": self.tick(), **more}
        )

    # What people and runners do behind the API's back

    def comment(self, number: int, user: User, body: str, app: int | None = None) -> Comment:
        at = self.tick()
        made = Comment(self.new_id(), number, user, body, at, at, app=app)
        self.comments[made.id] = made
        self.pulls[number].updated = at
        return made

    def finish_run(
        self, run: int, conclusion: str = "success", artifacts: dict[str, bytes] | None = None
    ) -> WorkflowRun:
        """End a run; `artifacts` are zip archives by name."""
        with self.lock:
            made = self.runs[run]
            made.status, made.conclusion, made.updated = "completed", conclusion, self.tick()
            for name, data in (artifacts or {}).items():
                self.add_artifact(run, name, data)
            return made

    def add_artifact(self, run: int, name: str, data: bytes) -> Artifact:
        made = Artifact(self.new_id(), run, name, data, self.tick())
        self.artifacts[made.id] = made
        return made

    def new_run(self, path: str, event: str, branch: str, sha: str, actor: User) -> WorkflowRun:
        at = self.tick()
        run = WorkflowRun(self.new_id(), path, event, branch, sha, actor, at, at)
        run.repository = self.full_name
        self.runs[run.id] = run
        return run

    # What GitHub sees when it looks at its repository

    def observe(self) -> None:
        """Follow branches: new heads, closed for deleted ones, merged when the base has them."""
        refs = self.repository.refs()
        base = refs.get(f"refs/heads/{self.default_branch}", "")
        forward = not self._base or not base or self.repository.contains(base, self._base)
        for pull in self.open_pulls():
            self._follow(pull, refs)
            if pull.state == "open" and base and forward and base != self._base:
                self._mark_merged(pull, refs, base)
        self._base = base

    def open_pulls(self) -> Iterator[Pull]:
        return (pull for pull in list(self.pulls.values()) if pull.state == "open")

    def _follow(self, pull: Pull, refs: dict[str, str]) -> None:
        if pull.fork:
            return
        head = refs.get(f"refs/heads/{pull.branch}")
        if head is None:
            pull.state, pull.closed = "closed", self.tick()
            pull.updated = pull.closed
            self.log_event(pull.number, "head_ref_deleted", None)
            self.log_event(pull.number, "closed", None)
        elif head != pull.head:
            pull.head, pull.updated = head, self.tick()
            self.repository.set_ref(f"refs/pull/{pull.number}/head", head)

    def _mark_merged(self, pull: Pull, refs: dict[str, str], base: str) -> None:
        target = refs.get(f"refs/heads/{pull.base}", "")
        if target and self.repository.contains(target, pull.head):
            self.mark_merged(pull, target, None)

    def mark_merged(self, pull: Pull, commit: str, by: User | None) -> None:
        at = self.tick()
        pull.state, pull.closed, pull.merged, pull.updated = "closed", at, at, at
        pull.merge_commit, pull.merged_by, pull.closed_by = commit, by, by
        self._delays[pull.number] = self.merge_delay
        self.log_event(pull.number, "merged", by, commit=commit)
        self.log_event(pull.number, "closed", by)

    def shows_merge(self, pull: Pull) -> bool:
        """Whether the API tells of the merge yet; it takes GitHub a moment."""
        if pull.merged is None:
            return False
        left = self._delays.get(pull.number, 0)
        self._delays[pull.number] = max(0, left - 1)
        return left <= 0


def stamp(seconds: int | None) -> str | None:
    """A moment as the API writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
