"""The door of the model: what a test in another process does as people, runners and fate.

GET  /_model/state                       pull requests, comments, checks, runs, calls
POST /_model/users       {"login", "permission", "id"?, "type"?}
POST /_model/tokens      {"token", "login", "app"?, "slug"?, "permissions"?}
POST /_model/comments    {"number", "login", "body"}
POST /_model/faults      the fields of `tests.github.faults.Fault`
POST /_model/finish      {"run", "conclusion"}
POST /_model/artifacts?run=N&name=NAME   the zip archive as the body
POST /_model/calls/reset
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from tests.github.faults import Fault
from tests.github.state import GitHub, Json


def open_door(github: GitHub, method: str, name: str, query: dict[str, str], data: bytes) -> Any:
    """Answer one request. Raises KeyError, ValueError, TypeError for what it does not know."""
    if (method, name) == ("GET", "state"):
        return state(github)
    if (method, name) == ("POST", "artifacts"):
        made = github.add_artifact(int(query["run"]), query["name"], data)
        return {"id": made.id}
    body: Json = json.loads(data) if data else {}
    match method, name:
        case "POST", "users":
            made_user = github.add_user(body.pop("login"), **body)
            return {"id": made_user.id, "login": made_user.login}
        case "POST", "tokens":
            user = github.user(body["login"])
            permissions = body.get("permissions") or {}
            github.add_token(
                body["token"], user, app=body.get("app"), slug=body.get("slug", ""), **permissions
            )
        case "POST", "comments":
            comment = github.comment(body["number"], github.user(body["login"]), body["body"])
            return {"id": comment.id}
        case "POST", "faults":
            github.faults.append(Fault(**body))
        case "POST", "finish":
            github.finish_run(body["run"], body.get("conclusion", "success"))
        case "POST", "calls/reset":
            github.calls.clear()
        case _:
            raise KeyError(f"{method} {name}")
    return {}


def state(github: GitHub) -> Json:
    """Everything, as JSON."""
    github.observe()
    return {
        "pulls": [asdict(pull) for pull in github.pulls.values()],
        "comments": [asdict(comment) for comment in github.comments.values()],
        "reviews": [asdict(review) for review in github.reviews.values()],
        "review_comments": [asdict(comment) for comment in github.review_comments.values()],
        "checks": [asdict(check) for check in github.checks.values()],
        "statuses": [asdict(status) for status in github.statuses],
        "runs": [asdict(run) for run in github.runs.values()],
        "artifacts": [
            {"id": a.id, "run": a.run, "name": a.name, "bytes": len(a.data)}
            for a in github.artifacts.values()
        ],
        "calls": [{**asdict(call), "token": "..."} for call in github.calls],
        "refs": github.repository.refs(),
    }
