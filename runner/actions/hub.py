"""The few things that the jobs of measure.yml ask GitHub for, or tell it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runner.errors import RunnerError

if TYPE_CHECKING:
    from github import Github

_WRITERS = {"admin", "maintain", "write"}
_MOST_PAGES = 30
_TIMEOUT_S = 30
STEP_WORKFLOW = "step.yml"
_NOT_PLAIN = ("`", "~~~", "<", ">")


class HubError(RunnerError):
    """GitHub refused or could not be reached."""


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

        By a review, of which each person's latest counts that takes a side; or by a comment with
        the line `/bot approve HEAD` that was never edited.
        """
        return self._reviewer(pull) or self._commander(pull)

    def _commander(self, pull: Pull) -> str | None:
        line = re.compile(rf"^/bot approve {re.escape(pull.head_sha)}[ \t]*\r?$", re.MULTILINE)
        for comment in self._pages(f"/issues/{pull.number}/comments"):
            user, body = comment.get("user") or {}, str(comment.get("body") or "")
            edited = comment.get("created_at") != comment.get("updated_at")
            if user.get("type") != "User" or edited or not line.search(body):
                continue
            if any(mark in body for mark in _NOT_PLAIN):
                continue  # whether that is code or a quotation is not for a gate to find out
            if self._may_write(str(user["login"]), int(user["id"])):
                return str(user["login"])
        return None

    def _reviewer(self, pull: Pull) -> str | None:
        latest: dict[int, Mapping[str, Any]] = {}
        for review in self._pages(f"/pulls/{pull.number}/reviews"):
            user = review.get("user") or {}
            sided = review.get("state") in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}
            if sided and user.get("type") == "User" and user.get("id") != pull.author_id:
                latest[int(user["id"])] = review
        for user_id, review in latest.items():
            approves = review["state"] == "APPROVED" and review.get("commit_id") == pull.head_sha
            login = str(review["user"]["login"])
            if approves and self._may_write(login, user_id):
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
        found = self._ask("GET", f"/collaborators/{quote(login, safe='')}/permission")
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
            raise HubError(
                f"GitHub answered {error.status} to {verb} {address}: {reason}. "
                "docs/github.md says which permissions this job needs."
            ) from None
        except requests.RequestException as error:
            raise HubError(f"GitHub cannot be reached ({error}). Run the job again.") from None
        return found


_VARIABLES = ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GITHUB_API_URL")
