"""Check runs and commit statuses."""

from __future__ import annotations

from typing import Any

from tests.github.http import REPOSITORY, Answer, Request, invalid, route
from tests.github.people import user_json
from tests.github.state import CheckRun, Json, Refused, Status, stamp

_CONCLUSIONS = {"success", "failure", "neutral", "cancelled", "skipped", "timed_out"} | {
    "action_required"
}
LARGEST_TEXT = 65_535  # bytes


def check_json(request: Request, check: CheckRun) -> Json:
    return {
        "id": check.id,
        "node_id": f"CR_{check.id}",
        "name": check.name,
        "head_sha": check.head,
        "status": check.status,
        "conclusion": check.conclusion,
        "external_id": check.external_id,
        "details_url": check.details_url,
        "output": {"title": None, "summary": None, "text": None, **check.output},
        "started_at": stamp(check.started),
        "completed_at": stamp(check.completed),
        "app": {"id": check.app, "slug": check.app_slug, "name": check.app_slug},
        "url": f"{request.url}/check-runs/{check.id}",
        "html_url": f"{request.root}/{request.github.full_name}/runs/{check.id}",
    }


def _fill(check: CheckRun, request: Request) -> None:
    body = request.body
    output = body.get("output") or {}
    for name in ("summary", "text"):
        if len((output.get(name) or "").encode()) > LARGEST_TEXT:
            raise invalid(f"{name} exceeds a maximum bytesize of 65535", name, "invalid")
    if output and not output.get("title"):
        raise invalid("output.title can't be blank", "title", "missing_field")
    if output:
        check.output = output
    check.external_id = body.get("external_id", check.external_id)
    check.details_url = body.get("details_url", check.details_url)
    check.status = body.get("status", check.status)
    conclusion = body.get("conclusion")
    if conclusion is not None:
        if conclusion not in _CONCLUSIONS:
            raise invalid("conclusion is not valid", "conclusion", "invalid")
        check.conclusion, check.status = conclusion, "completed"
        check.completed = request.github.tick()


@route("POST", f"{REPOSITORY}/check-runs")
def create(request: Request) -> Any:
    token, github = request.token, request.github
    if token.app is None:
        raise Refused(403, "You must authenticate via a GitHub App.")
    request.needs("checks")
    name, head = request.text("name"), request.text("head_sha")
    if github.repository.commit(head) != head:
        raise invalid("No commit found for SHA: " + head, "head_sha", "invalid")
    check = CheckRun(
        id=github.new_id(),
        app=token.app,
        app_slug=token.app_slug,
        name=name,
        head=head,
        status="queued",
        conclusion=None,
        external_id="",
        output={},
        details_url="",
        started=github.tick(),
        completed=None,
    )
    _fill(check, request)
    github.checks[check.id] = check
    return Answer(201, check_json(request, check))


def _find(request: Request) -> CheckRun:
    found = request.github.checks.get(request.number("check"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route("PATCH", f"{REPOSITORY}/check-runs/{{check}}")
def edit(request: Request) -> Any:
    request.needs("checks")
    check = _find(request)
    if request.token.app != check.app:
        raise Refused(
            403,
            "Invalid app_id `{request.token.app}` - check run can only be modified by"
            f" the GitHub App that created it, app_id {check.app}.",
        )
    _fill(check, request)
    return check_json(request, check)


@route("GET", f"{REPOSITORY}/check-runs/{{check}}")
def get(request: Request) -> Any:
    return check_json(request, _find(request))


@route("GET", f"{REPOSITORY}/commits/{{ref}}/check-runs")
def of_commit(request: Request) -> Any:
    request.needs("checks", "read")
    sha = request.github.repository.commit(request.parts["ref"])
    name, app = request.query.get("check_name"), request.query.get("app_id")
    found = [
        check
        for check in request.github.checks.values()
        if check.head == sha and name in {None, check.name} and app in {None, str(check.app)}
    ]
    listed = [check_json(request, check) for check in found[::-1]]
    return {"total_count": len(listed), "check_runs": listed}


def status_json(request: Request, status: Status) -> Json:
    return {
        "id": status.id,
        "state": status.state,
        "context": status.context,
        "description": status.description,
        "target_url": status.target_url,
        "creator": user_json(status.creator, request.root),
        "created_at": stamp(status.created),
        "url": f"{request.url}/statuses/{status.sha}",
    }


@route("POST", f"{REPOSITORY}/statuses/{{sha}}")
def add_status(request: Request) -> Any:
    request.needs("statuses")
    github, body, sha = request.github, request.body, request.parts["sha"]
    if github.repository.commit(sha) != sha:
        raise invalid("No commit found for SHA: " + sha, "sha", "invalid")
    if body.get("state") not in {"error", "failure", "pending", "success"}:
        raise invalid("state is not included in the list", "state", "invalid")
    if len(body.get("description") or "") > 140:
        raise invalid("description is too long (maximum is 140 characters)", "description", "x")
    status = Status(
        id=github.new_id(),
        sha=sha,
        context=body.get("context", "default"),
        state=body["state"],
        description=body.get("description") or "",
        target_url=body.get("target_url") or "",
        creator=request.token.user,
        created=github.tick(),
    )
    github.statuses.append(status)
    return Answer(201, status_json(request, status))


@route("GET", f"{REPOSITORY}/commits/{{ref}}/statuses")
def statuses(request: Request) -> Any:
    sha = request.github.repository.commit(request.parts["ref"])
    found = [status for status in request.github.statuses if status.sha == sha]
    return [status_json(request, status) for status in found[::-1]]


@route("GET", f"{REPOSITORY}/commits/{{ref}}/status")
def combined(request: Request) -> Any:
    sha = request.github.repository.commit(request.parts["ref"])
    latest = {status.context: status for status in request.github.statuses if status.sha == sha}
    return {"sha": sha, "statuses": [status_json(request, each) for each in latest.values()]}
