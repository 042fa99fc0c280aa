"""GitHub Actions: workflows are dispatched and recorded; who plays the runner ends the runs."""

from __future__ import annotations

import re
from typing import Any

from tests.github.http import REPOSITORY, Answer, Request, route
from tests.github.people import user_json
from tests.github.repository import GitRefused
from tests.github.state import Artifact, Json, Refused, WorkflowRun, stamp

ACTIONS = f"{REPOSITORY}/actions"
_FOLDER = ".github/workflows"


def run_json(request: Request, run: WorkflowRun) -> Json:
    github = request.github
    return {
        "id": run.id,
        "name": run.path.rsplit("/", 1)[-1],
        "display_title": _title(request, run),
        "path": run.path,
        "event": run.event,
        "head_branch": run.head_branch,
        "head_sha": run.head_sha,
        "run_attempt": run.attempt,
        "run_number": 1,
        "status": run.status,
        "conclusion": run.conclusion,
        "actor": user_json(run.actor, request.root),
        "triggering_actor": user_json(run.actor, request.root),
        "repository": {"full_name": github.full_name, "id": 1},
        "head_repository": {"full_name": run.repository, "id": 1},
        "created_at": stamp(run.created),
        "updated_at": stamp(run.updated),
        "workflow_id": _workflow_id(run.path),
        "url": f"{request.url}/actions/runs/{run.id}",
        "html_url": f"{request.root}/{github.full_name}/actions/runs/{run.id}",
        "artifacts_url": f"{request.url}/actions/runs/{run.id}/artifacts",
    }


def _title(request: Request, run: WorkflowRun) -> str:
    """The `run-name` of the workflow with the inputs in it, else the name of its file."""
    repository = request.github.repository
    try:
        text = repository.text("cat-file", "blob", f"{run.head_sha}:{run.path}")
    except GitRefused:
        text = ""
    named = re.search(r"^run-name: *(.+)$", text, re.MULTILINE)
    if named is None:
        return run.path.rsplit("/", 1)[-1]
    return re.sub(
        r"\$\{\{ *inputs\.(\w+) *\}\}",
        lambda found: str(run.inputs.get(found[1], "")),
        named[1].strip("\"' "),
    )


def _workflow_id(path: str) -> int:
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(path))


def _workflows(request: Request) -> dict[str, int]:
    """The workflow files on the default branch."""
    github = request.github
    try:
        listing = github.repository.text(
            "ls-tree", "--name-only", f"refs/heads/{github.default_branch}", f"{_FOLDER}/"
        )
    except GitRefused:
        listing = ""
    found = [path for path in listing.split("\n") if path.endswith((".yml", ".yaml"))]
    return {path: _workflow_id(path) for path in found}


def _workflow(request: Request) -> str:
    wanted = request.parts["workflow"]
    for path, number in _workflows(request).items():
        if wanted in {str(number), path.rsplit("/", 1)[-1], path}:
            return path
    raise Refused(404, "Not Found")


@route("GET", f"{ACTIONS}/workflows")
def workflows(request: Request) -> Any:
    found = [_workflow_json(request, path) for path in _workflows(request)]
    return {"total_count": len(found), "workflows": found}


@route("GET", f"{ACTIONS}/workflows/{{workflow}}")
def workflow(request: Request) -> Any:
    return _workflow_json(request, _workflow(request))


def _workflow_json(request: Request, path: str) -> Json:
    number = _workflow_id(path)
    name = path.rsplit("/", 1)[-1]
    url = f"{request.url}/actions/workflows/{number}"
    return {"id": number, "name": name, "path": path, "state": "active", "url": url}


@route("POST", f"{ACTIONS}/workflows/{{workflow}}/dispatches")
def dispatch(request: Request) -> Any:
    request.needs("actions")
    github, path = request.github, _workflow(request)
    branch = request.text("ref").removeprefix("refs/heads/")
    sha = github.repository.commit(f"refs/heads/{branch}")
    if sha is None:
        raise Refused(422, f"No ref found for: {branch}")
    text = github.repository.text("cat-file", "blob", f"{sha}:{path}")
    if "workflow_dispatch" not in text:
        raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
    inputs = request.body.get("inputs") or {}
    if not all(isinstance(value, str | bool | int | float) for value in inputs.values()):
        raise Refused(422, "Inputs must be text, numbers or booleans")
    run = github.new_run(path, "workflow_dispatch", branch, sha, request.token.user)
    run.inputs = inputs
    if github.on_dispatch is not None:
        github.on_dispatch(run)
    if not request.body.get("return_run_details"):
        return Answer(204)
    shown = run_json(request, run)
    return {"workflow_run_id": run.id, "run_url": shown["url"], "html_url": shown["html_url"]}


def _listed(request: Request, runs: list[WorkflowRun]) -> Json:
    query = request.query
    kept = [
        run
        for run in runs
        if query.get("event") in {None, run.event}
        and query.get("branch") in {None, run.head_branch}
        and query.get("status") in {None, run.status, run.conclusion}
        and query.get("head_sha") in {None, run.head_sha}
    ]
    return {"total_count": len(kept), "workflow_runs": [run_json(request, r) for r in kept[::-1]]}


@route("GET", f"{ACTIONS}/runs")
def runs(request: Request) -> Any:
    request.needs("actions", "read")
    return _listed(request, list(request.github.runs.values()))


@route("GET", f"{ACTIONS}/workflows/{{workflow}}/runs")
def runs_of_workflow(request: Request) -> Any:
    request.needs("actions", "read")
    path = _workflow(request)
    return _listed(request, [run for run in request.github.runs.values() if run.path == path])


def _run(request: Request) -> WorkflowRun:
    found = request.github.runs.get(request.number("run"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route("GET", f"{ACTIONS}/runs/{{run}}")
def run(request: Request) -> Any:
    request.needs("actions", "read")
    return run_json(request, _run(request))


@route("POST", f"{ACTIONS}/runs/{{run}}/cancel")
def cancel(request: Request) -> Any:
    request.needs("actions")
    found = _run(request)
    if found.status == "completed":
        raise Refused(409, "Cannot cancel a workflow run that is completed.")
    request.github.finish_run(found.id, "cancelled")
    return Answer(202, {})


@route("POST", f"{ACTIONS}/runs/{{run}}/rerun")
def rerun(request: Request) -> Any:
    request.needs("actions")
    found = _run(request)
    found.attempt, found.status, found.conclusion = found.attempt + 1, "queued", None
    return Answer(201, {})


@route("GET", f"{ACTIONS}/runs/{{run}}/jobs")
def jobs(request: Request) -> Any:
    _run(request)
    return {"total_count": 0, "jobs": []}


def artifact_json(request: Request, artifact: Artifact) -> Json:
    url = f"{request.url}/actions/artifacts/{artifact.id}"
    run = request.github.runs[artifact.run]
    return {
        "id": artifact.id,
        "name": artifact.name,
        "size_in_bytes": len(artifact.data),
        "expired": artifact.expired,
        "created_at": stamp(artifact.created),
        "url": url,
        "archive_download_url": f"{url}/zip",
        "workflow_run": {"id": run.id, "head_branch": run.head_branch, "head_sha": run.head_sha},
    }


@route("GET", f"{ACTIONS}/runs/{{run}}/artifacts")
def artifacts(request: Request) -> Any:
    request.needs("actions", "read")
    number, name = _run(request).id, request.query.get("name")
    found = [
        artifact_json(request, artifact)
        for artifact in request.github.artifacts.values()
        if artifact.run == number and name in {None, artifact.name}
    ]
    return {"total_count": len(found), "artifacts": found}


def _artifact(request: Request) -> Artifact:
    found = request.github.artifacts.get(request.number("artifact"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route("GET", f"{ACTIONS}/artifacts/{{artifact}}")
def artifact(request: Request) -> Any:
    return artifact_json(request, _artifact(request))


@route("GET", f"{ACTIONS}/artifacts/{{artifact}}/zip")
def archive(request: Request) -> Any:
    request.needs("actions", "read")
    found = _artifact(request)
    if found.expired:
        raise Refused(410, "Artifact has expired")
    return Answer(302, None, {"location": f"{request.root}/_storage/{found.id}"})
