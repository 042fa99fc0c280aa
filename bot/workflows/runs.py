"""Runs of measure.yml as GitHub tells of them: asking for one, finding them, confirming one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import NotFound, Uncertain, Unreachable
from bot.workflows.archive import LARGEST_ARCHIVE
from runner.actions.documents import ARTIFACT, Asked, title_of

WORKFLOW = "measure.yml"
PATH = f".github/workflows/{WORKFLOW}"
_CLOCKS_S = 3600  # by how much two clocks may differ


class _Answer(BaseModel):
    """GitHub's answers have many more keys than are needed."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Repository(_Answer):
    full_name: str = ""


class WorkflowRun(_Answer):
    """One run, as far as it matters here."""

    id: int
    path: str
    event: str
    head_branch: str | None
    head_sha: str
    status: str | None
    conclusion: str | None
    html_url: str = ""
    created_at: datetime
    title: Annotated[str, Field(validation_alias="display_title")] = ""
    head_repository: _Repository | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status == "completed"


class _Artifact(_Answer):
    id: int
    name: str
    expired: bool


@dataclass(frozen=True)
class Runs:
    """The runs of measure.yml in one repository, on the base branch of the lab."""

    client: GitHubClient
    base_branch: str

    def since(self, when: int) -> Mapping[str, Sequence[WorkflowRun]]:
        """Those that were started after `when` (seconds since 1970), newest first, by title."""
        moment = datetime.fromtimestamp(max(0, when - _CLOCKS_S), UTC)
        try:
            listed = self.client.list(
                f"actions/workflows/{WORKFLOW}/runs",
                "workflow_runs",
                event="workflow_dispatch",
                branch=self.base_branch,
                created=f">={moment:%Y-%m-%dT%H:%M:%SZ}",
            )
        except NotFound:
            return {}  # the workflow is not on the default branch yet
        found: dict[str, list[WorkflowRun]] = {}
        for run in sorted((_run(item) for item in listed), key=lambda run: -run.id):
            found.setdefault(run.title, []).append(run)
        return found

    def ask(self, asked: Asked) -> str:
        """Start a run; its address for people, empty if it cannot be told.

        Raises what the client raises, but for an unclear outcome: whether the run exists is
        seen by the next step, from its title.
        """
        inputs = {
            "pr": str(asked.pr),
            "head_sha": asked.head_sha,
            "base_sha": asked.base_sha,
            "attempt": asked.attempt,
            "runs": json.dumps([run.model_dump() for run in asked.runs], separators=(",", ":")),
        }
        body = {"ref": self.base_branch, "inputs": inputs, "return_run_details": True}
        try:
            answer = self.client.post(f"actions/workflows/{WORKFLOW}/dispatches", body)
        except Uncertain:
            return ""
        return str(answer.get("html_url", "")) if isinstance(answer, dict) else ""

    def confirm(self, found: WorkflowRun, pr: int, attempt: str) -> str | None:
        """Why a run cannot be one of this attempt; None if GitHub itself says that it is.

        Asked afresh and by its id: a list is not what anything is believed for.
        """
        try:
            run = _run(self.client.get(f"actions/runs/{found.id}"))
        except NotFound:
            return "it is gone"
        path, _, at = run.path.partition("@")
        if path != PATH or at not in {"", self.base_branch, f"refs/heads/{self.base_branch}"}:
            return f"it is a run of {run.path[:100]}"
        if run.event != "workflow_dispatch":
            return f"it was started by {run.event[:40]}"
        if run.head_branch != self.base_branch:
            return f"it ran on the branch {str(run.head_branch)[:100]}"
        where = run.head_repository.full_name if run.head_repository else ""
        if where.casefold() != self.client.repository.casefold():
            return f"it ran in {where[:100] or 'another repository'}"
        if run.title != title_of(pr, attempt):
            return f"it measured {run.title[:100]!r}"
        return None

    def artifact(self, run: WorkflowRun) -> int | None:
        """The number of what the report job published; None if there is none (any more)."""
        listed = self.client.list(f"actions/runs/{run.id}/artifacts", "artifacts", name=ARTIFACT)
        try:
            found = [_Artifact.model_validate(item) for item in listed]
        except ValidationError:
            raise Unreachable("GitHub's list of artifacts has an unknown form.") from None
        return max(
            (one.id for one in found if one.name == ARTIFACT and not one.expired), default=None
        )

    def download(self, artifact: int) -> bytes:
        """Its archive. Raises Rejected when it is larger than any measurement."""
        return self.client.download(f"actions/artifacts/{artifact}/zip", LARGEST_ARCHIVE)


def _run(item: Any) -> WorkflowRun:
    try:
        return WorkflowRun.model_validate(item)
    except ValidationError:
        raise Unreachable("GitHub told of a run of a workflow in an unknown form.") from None
