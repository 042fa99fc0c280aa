"""The few things that the jobs of measure.yml ask GitHub for, or tell it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from runner.actions.documents import REVIEW_EDITS
from runner.actions.rules import ask
from runner.errors import RunnerError

if TYPE_CHECKING:
    from github import Github

_WRITERS = {"admin", "maintain", "write"}
_MOST_PAGES = 30
_TIMEOUT_S = 30
STEP_WORKFLOW = "step.yml"
_MOST_SUMMARIES = 100
_Asks: TypeAlias = Callable[[str, int], bool]


class HubError(RunnerError):
    """GitHub refused or could not be reached."""


class NotThere(HubError):
    """GitHub has nothing there."""


@dataclass(frozen=True)
class Pull:
    """A pull request as it is now."""

    number: int
    state: str  # open or closed
    head_sha: str
    head_repository: str  # owner/name; empty when it was deleted
    base_branch: str
    author_id: int


@dataclass(frozen=True)
class CheckRun:
    """A completed check. `external_id` is the attempt, and there is one check for each."""

    name: str
    head_sha: str
    external_id: str
    conclusion: str
    title: str
    summary: str


class Hub:
    """One repository on GitHub, with the token of the job."""

    def __init__(self, repository: str, token: str, address: str) -> None:
        from github import Auth, Github

        self.repository = repository
        # Nothing is sent again blindly: a write that answered 5xx may have had its effect.
        self._github: Github = Github(
            auth=Auth.Token(token), base_url=address, retry=None, timeout=_TIMEOUT_S
        )

    @classmethod
    def of_job(cls) -> Hub:
        """The repository that this job of GitHub Actions belongs to. Raises HubError."""
        missing = [name for name in _VARIABLES if not os.environ.get(name)]
        if missing:
            raise HubError(
                f"{', '.join(missing)} must be set. This command is a part of measure.yml; it is "
                "not meant to be called by hand."
            )
        repository, token, address = (os.environ[name] for name in _VARIABLES)
        return cls(repository, token, address)

    def pull(self, number: int) -> Pull:
        """One pull request."""
        found = self._ask("GET", f"/pulls/{number}")
        head = found["head"]
        return Pull(
            number=number,
            state=str(found["state"]),
            head_sha=str(head["sha"]),
            head_repository=str((head.get("repo") or {}).get("full_name", "")),
            base_branch=str(found["base"]["ref"]),
            author_id=int((found.get("user") or {}).get("id", 0)),
        )

    def approver(self, pull: Pull) -> str | None:
        """Who with write permission approves exactly the head of `pull`, if anybody does.

        By a review, of which each person's latest counts that takes a side; or by the command
        `/bot approve HEAD`, read as the bot reads it, in words that were never edited.

        Each person is asked about once, and only what those with permission say is parsed:
        however much a stranger says costs one call.
        """
        may_write = cache(self._may_write)
        reviews = list(self._pages(f"/pulls/{pull.number}/reviews"))
        found = self._reviewer(pull, reviews, may_write)
        return found or self._commander(pull, reviews, may_write)

    def _commander(
        self, pull: Pull, reviews: Sequence[Mapping[str, Any]], may_write: _Asks
    ) -> str | None:
        said = [
            (str(entry["user"]["login"]), str(entry["body"]))
            for entry in self._unedited(pull, reviews)
            if may_write(str(entry["user"]["login"]), int(entry["user"]["id"]))
        ]
        if not said:
            return None
        told = {"head": pull.head_sha, "bodies": [body for _, body in said]}
        answers = ask("bot.people.checkapproval", told=told)
        return next((who for (who, _), yes in zip(said, answers, strict=True) if yes), None)

    def _unedited(
        self, pull: Pull, reviews: Sequence[Mapping[str, Any]]
    ) -> Iterator[Mapping[str, Any]]:
        """What people said that speaks of the head and is as it was said first."""

        def speaks(entry: Mapping[str, Any]) -> bool:
            by_person = (entry.get("user") or {}).get("type") == "User"
            return by_person and pull.head_sha in str(entry.get("body") or "")

        for kind in ("issues", "pulls"):
            for comment in self._pages(f"/{kind}/{pull.number}/comments"):
                if speaks(comment) and comment.get("created_at") == comment.get("updated_at"):
                    yield comment
        summaries = [review for review in reviews if speaks(review)][-_MOST_SUMMARIES:]
        edited = self._edited(summaries)
        yield from (review for review in summaries if review.get("node_id") not in edited)

    def _edited(self, reviews: Sequence[Mapping[str, Any]]) -> set[str]:
        """Which of these were edited: GitHub tells of reviews only in its other API."""
        from github import GithubException

        ids = [str(review.get("node_id")) for review in reviews]
        if not ids:
            return set()
        try:
            _headers, found = self._github.requester.graphql_query(REVIEW_EDITS, {"ids": ids})
            nodes = found["data"]["nodes"]
        except (GithubException, KeyError, TypeError):
            return set(ids)  # nobody knows
        known = {node["id"] for node in nodes if node and node.get("lastEditedAt") is None}
        return set(ids) - known

    def _reviewer(
        self, pull: Pull, reviews: Sequence[Mapping[str, Any]], may_write: _Asks
    ) -> str | None:
        latest: dict[int, Mapping[str, Any]] = {}
        for review in reviews:
            user = review.get("user") or {}
            sided = review.get("state") in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}
            if sided and user.get("type") == "User" and user.get("id") != pull.author_id:
                latest[int(user["id"])] = review
        for user_id, review in latest.items():
            approves = review["state"] == "APPROVED" and review.get("commit_id") == pull.head_sha
            login = str(review["user"]["login"])
            if approves and may_write(login, user_id):
                return login
        return None

    def post_check(self, check: CheckRun) -> bool:
        """Make a check, unless there is one with its name and external id; whether it was made."""
        path = f"/commits/{check.head_sha}/check-runs"
        found = self._ask("GET", path, {"check_name": check.name, "filter": "all", "per_page": 100})
        if any(item.get("external_id") == check.external_id for item in found["check_runs"]):
            return False
        body = {
            "name": check.name,
            "head_sha": check.head_sha,
            "external_id": check.external_id,
            "status": "completed",
            "conclusion": check.conclusion,
            "output": {"title": check.title, "summary": check.summary},
        }
        self._ask("POST", "/check-runs", body=body)
        return True

    def wake(self, branch: str) -> None:
        """Start the bot's next step."""
        path = f"/actions/workflows/{STEP_WORKFLOW}/dispatches"
        self._ask("POST", path, body={"ref": branch})

    def _may_write(self, login: str, user_id: int) -> bool:
        try:
            found = self._ask("GET", f"/collaborators/{quote(login, safe='')}/permission")
        except NotThere:  # renamed or deleted: whoever it was refuses nobody else's approval
            return False
        same = int((found.get("user") or {}).get("id", 0)) == user_id  # names can change hands
        return same and (found.get("permission") in _WRITERS or found.get("role_name") in _WRITERS)

    def _pages(self, path: str) -> Iterator[Mapping[str, Any]]:
        for page in range(1, _MOST_PAGES + 1):
            found = self._ask("GET", path, {"per_page": 100, "page": page})
            yield from found
            if len(found) < 100:
                return
        raise HubError(f"{path} has more than {_MOST_PAGES} pages; so many are not read.")

    def _ask(
        self,
        verb: str,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        import requests
        from github import GithubException

        address = f"/repos/{self.repository}{path}"
        try:
            _headers, found = self._github.requester.requestJsonAndCheck(
                verb,
                address,
                parameters=dict(parameters) if parameters else None,
                input=dict(body) if body else None,
            )
        except GithubException as error:
            data = error.data if isinstance(error.data, dict) else {}
            reason = str(data.get("message") or error.status)[:300]
            kind = NotThere if error.status == 404 else HubError
            raise kind(
                f"GitHub answered {error.status} to {verb} {address}: {reason}. "
                "docs/github.md says which permissions this job needs."
            ) from None
        except requests.RequestException as error:
            raise HubError(f"GitHub cannot be reached ({error}). Run the job again.") from None
        return found


_VARIABLES = ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GITHUB_API_URL")
