"""Settings of a repository that an administrator changes: Actions, environments' branches."""

from __future__ import annotations

from typing import Any

from tests.github.http import REPOSITORY, Answer, Request, route
from tests.github.state import Json, Refused

_ENVIRONMENT = f"{REPOSITORY}/environments/{{environment}}/deployment-branch-policies"
_ACTIONS = f"{REPOSITORY}/actions/permissions"


def _key(request: Request) -> str:
    request.needs("administration")
    name = request.parts["environment"]
    if f"environments/{name}" not in request.github.settings:
        raise Refused(404, "Not Found")
    return f"branches of {name}"


@route("GET", _ENVIRONMENT)
def branch_policies(request: Request) -> Any:
    found: list[Json] = request.github.settings.get(_key(request), {}).get("names", [])
    return {"total_count": len(found), "branch_policies": found}


@route("POST", _ENVIRONMENT)
def add_branch_policy(request: Request) -> Any:
    kept = request.github.settings.setdefault(_key(request), {"names": []})
    made = {"id": request.github.new_id(), "name": request.text("name"), "type": "branch"}
    kept["names"].append(made)
    return made


@route("PUT", f"{_ACTIONS}/workflow")
def workflow_permissions(request: Request) -> Any:
    request.needs("administration")
    request.github.settings["actions/workflow"] = request.body
    return Answer(204)


@route("PUT", f"{_ACTIONS}/fork-pr-contributor-approval")
def approval_policy(request: Request) -> Any:
    request.needs("administration")
    policies = {"first_time_contributors", "first_time_contributors_new_to_github"}
    if request.body.get("approval_policy") not in {*policies, "all_external_contributors"}:
        raise Refused(422, "Validation Failed")
    request.github.settings["actions/approval"] = request.body
    return Answer(204)
