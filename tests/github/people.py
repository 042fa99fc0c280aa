"""Users, permissions, the repository itself, and the settings that `bot init` writes."""

from __future__ import annotations

from typing import Any

from tests.github.http import REPOSITORY, Answer, Request, route
from tests.github.state import Json, Refused, User


def user_json(user: User | None, root: str) -> Json | None:
    if user is None:
        return None
    return {
        "login": user.login,
        "id": user.id,
        "node_id": f"U_{user.id}",
        "type": user.type,
        "url": f"{root}/users/{user.login}",
        "html_url": f"{root}/{user.login}",
        "site_admin": False,
    }


@route("GET", "/user")
def me(request: Request) -> Any:
    if request.token.app is not None:
        raise Refused(403, "Resource not accessible by integration")
    return user_json(request.token.user, request.root)


@route("GET", "/users/{login}")
def user(request: Request) -> Any:
    return user_json(request.github.user(request.parts["login"]), request.root)


@route("GET", "/user/{id}")
def user_by_id(request: Request) -> Any:
    found = request.github.users.get(request.number("id"))
    if found is None:
        raise Refused(404, "Not Found")
    return user_json(found, request.root)


@route("GET", "/app")
def app(request: Request) -> Any:
    token = request.token
    if token.app is None:
        raise Refused(401, "A JSON web token could not be decoded")
    return {"id": token.app, "slug": token.app_slug, "permissions": token.permissions or {}}


@route("GET", "/rate_limit")
def rate_limit(request: Request) -> Any:
    github = request.github
    core = {"limit": github.limit, "remaining": github.limit - github.used, "reset": github.reset}
    core["used"] = github.used
    return {"resources": {"core": core, "search": core, "graphql": core}, "rate": core}


@route("GET", "/repos/{owner}/{name}/installation")
def installation(request: Request) -> Any:
    return {"id": 1, "app_id": request.token.app, "permissions": request.token.permissions or {}}


@route("POST", "/app/installations/{id}/access_tokens")
def installation_token(request: Request) -> Any:
    """The application's own token is as good; the model checks no key."""
    text = next(text for text, token in request.github.tokens.items() if token is request.token)
    return Answer(
        201,
        {
            "token": text,
            "expires_at": "2099-01-01T00:00:00Z",
            "permissions": request.token.permissions or {},
            "repository_selection": "selected",
        },
    )


@route("GET", REPOSITORY)
def repository(request: Request) -> Any:
    github, user = request.github, request.token.user
    owner, name = github.full_name.split("/")
    level = ["none", "read", "triage", "write", "maintain", "admin"].index(user.permission)
    if request.token.permissions is not None:
        level = 3 if request.token.allows("contents", "write") else 1
    return {
        "id": 1,
        "node_id": "R_1",
        "name": name,
        "full_name": github.full_name,
        "private": github.private,
        "visibility": "private" if github.private else "public",
        "owner": {"login": owner, "id": 2, "type": "Organization"},
        "default_branch": github.default_branch,
        "url": request.url,
        "html_url": f"{request.root}/{github.full_name}",
        "clone_url": f"{request.root}/{github.full_name}.git",
        "permissions": {
            "admin": level >= 5,
            "maintain": level >= 4,
            "push": level >= 3,
            "triage": level >= 2,
            "pull": level >= 1 or not github.private,
        },
    }


@route("GET", f"{REPOSITORY}/collaborators/{{login}}/permission")
def permission(request: Request) -> Any:
    request.needs("metadata", "read")
    user = request.github.user(request.parts["login"])
    kept = {"maintain": "write", "triage": "read"}.get(user.permission, user.permission)
    if kept == "none" and not request.github.private:
        kept = "read"
    return {
        "permission": kept,
        "role_name": user.permission,
        "user": user_json(user, request.root),
    }


def _stored(request: Request, kind: str, name: str) -> str:
    request.needs("administration" if kind != "variables" else "variables")
    return f"{kind}/{name}"


@route("PUT", f"{REPOSITORY}/environments/{{environment}}")
def put_environment(request: Request) -> Any:
    key = _stored(request, "environments", request.parts["environment"])
    request.github.settings[key] = request.body
    return {"id": request.github.new_id(), "name": request.parts["environment"]}


@route("GET", f"{REPOSITORY}/environments/{{environment}}")
def get_environment(request: Request) -> Any:
    if f"environments/{request.parts['environment']}" not in request.github.settings:
        raise Refused(404, "Not Found")
    return {"id": 1, "name": request.parts["environment"]}


@route("PUT", f"{REPOSITORY}/branches/{{branch}}/protection")
def protect(request: Request) -> Any:
    key = _stored(request, "protection", request.parts["branch"])
    request.github.settings[key] = request.body
    return request.body


@route("GET", f"{REPOSITORY}/branches/{{branch}}/protection")
def protection(request: Request) -> Any:
    found = request.github.settings.get(f"protection/{request.parts['branch']}")
    if found is None:
        raise Refused(404, "Branch not protected")
    return found


@route("GET", f"{REPOSITORY}/rulesets")
def rulesets(request: Request) -> Any:
    found = request.github.settings
    return [value for key, value in found.items() if key.startswith("rulesets/")]


@route("POST", f"{REPOSITORY}/rulesets")
def add_ruleset(request: Request) -> Any:
    made = {"id": request.github.new_id(), **request.body}
    request.github.settings[_stored(request, "rulesets", request.text("name"))] = made
    return Answer(201, made)
