"""Comments, labels, reactions and events: what pull requests share with issues."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from tests.github.http import REPOSITORY, Answer, Request, invalid, route
from tests.github.people import user_json
from tests.github.pulls import change, find, label_json
from tests.github.state import Comment, Json, Pull, Refused, User, stamp

ISSUE = f"{REPOSITORY}/issues/{{number}}"
_REACTIONS = {"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}


def comment_json(request: Request, comment: Comment) -> Json:
    github = request.github
    page = f"{request.root}/{github.full_name}/pull/{comment.issue}"
    body = {
        "id": comment.id,
        "node_id": f"IC_{comment.id}",
        "user": user_json(comment.user, request.root),
        "body": comment.body,
        "created_at": stamp(comment.created),
        "updated_at": stamp(comment.updated),
        "author_association": "MEMBER" if comment.user.may_write else "NONE",
        "url": f"{request.url}/issues/comments/{comment.id}",
        "html_url": f"{page}#issuecomment-{comment.id}",
        "issue_url": f"{request.url}/issues/{comment.issue}",
        "reactions": _summary(comment.reactions),
    }
    if comment.app is not None:
        body["performed_via_github_app"] = {"id": comment.app}
    return body


def issue_json(request: Request, pull: Pull) -> Json:
    hidden = pull.merged is not None and not request.github.shows_merge(pull)
    return {
        "id": pull.id,
        "number": pull.number,
        "title": pull.title,
        "body": pull.body,
        "state": "open" if hidden else pull.state,
        "user": user_json(pull.user, request.root),
        "labels": [label_json(request, name) for name in pull.labels],
        "created_at": stamp(pull.created),
        "updated_at": stamp(pull.updated),
        "closed_at": stamp(pull.closed),
        "closed_by": user_json(pull.closed_by, request.root),
        "comments": sum(1 for c in request.github.comments.values() if c.issue == pull.number),
        "pull_request": {"url": f"{request.url}/pulls/{pull.number}"},
        "url": f"{request.url}/issues/{pull.number}",
    }


@route("GET", f"{REPOSITORY}/issues")
def listing(request: Request) -> Any:
    state, wanted = request.query.get("state", "open"), request.query.get("labels", "")
    labels = {name for name in wanted.split(",") if name}
    found = [pull for pull in request.github.pulls.values() if state in {"all", pull.state}]
    return [issue_json(request, pull) for pull in found[::-1] if labels <= set(pull.labels)]


@route("GET", ISSUE)
def get(request: Request) -> Any:
    return issue_json(request, find(request))


@route("PATCH", ISSUE)
def edit(request: Request) -> Any:
    request.needs("issues")
    pull = find(request)
    if "labels" in request.body:
        set_labels(request, pull, request.body["labels"])
    change(request, pull)
    return issue_json(request, pull)


# Comments


@route("GET", f"{ISSUE}/comments")
def comments(request: Request) -> Any:
    number = find(request).number
    found = [comment for comment in request.github.comments.values() if comment.issue == number]
    return [comment_json(request, comment) for comment in _since(request, found)]


@route("GET", f"{REPOSITORY}/issues/comments")
def all_comments(request: Request) -> Any:
    found = _since(request, list(request.github.comments.values()))
    key = "updated" if request.query.get("sort") == "updated" else "created"
    down = request.query.get("direction") == "desc"
    found.sort(key=lambda comment: (getattr(comment, key), comment.id), reverse=down)
    return [comment_json(request, comment) for comment in found]


def _since(request: Request, found: list[Comment]) -> list[Comment]:
    since = request.query.get("since")
    if not since:
        return found
    at = datetime.fromisoformat(since.replace("Z", "+00:00")).timestamp()
    return [comment for comment in found if comment.updated >= at]


@route("POST", f"{ISSUE}/comments")
def add_comment(request: Request) -> Any:
    if (
        not (
            request.token.allows("issues", "write")
            or request.token.allows("pull_requests", "write")
        )
        and request.token.permissions is not None
    ):  # people may talk wherever they may read
        request.needs("issues")
    pull = find(request)
    body = request.text("body", 65536)
    made = request.github.comment(pull.number, request.token.user, body, request.token.app)
    return Answer(201, comment_json(request, made))


def _comment(request: Request) -> Comment:
    found = request.github.comments.get(request.number("comment"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route("GET", f"{REPOSITORY}/issues/comments/{{comment}}")
def get_comment(request: Request) -> Any:
    return comment_json(request, _comment(request))


@route("PATCH", f"{REPOSITORY}/issues/comments/{{comment}}")
def edit_comment(request: Request) -> Any:
    request.needs("issues")
    found = _comment(request)
    found.body, found.updated = request.text("body", 65536), request.github.tick()
    request.github.pulls[found.issue].updated = found.updated
    return comment_json(request, found)


@route("DELETE", f"{REPOSITORY}/issues/comments/{{comment}}")
def delete_comment(request: Request) -> Any:
    request.needs("issues")
    del request.github.comments[_comment(request).id]
    return Answer(204)


# Reactions


def _summary(reactions: list[tuple[int, User, str]]) -> Json:
    counts = {kind: sum(1 for _, _, word in reactions if word == kind) for kind in _REACTIONS}
    return {"total_count": len(reactions), **counts}


def _react(request: Request, reactions: list[tuple[int, User, str]]) -> Answer:
    word = request.text("content")
    if word not in _REACTIONS:
        raise invalid("content is not a reaction", "content", "invalid")
    user = request.token.user
    known = [entry for entry in reactions if entry[1] is user and entry[2] == word]
    entry = known[0] if known else (request.github.new_id(), user, word)
    if not known:
        reactions.append(entry)
    return Answer(200 if known else 201, _reaction(request, entry))


def _reaction(request: Request, entry: tuple[int, User, str]) -> Json:
    return {"id": entry[0], "user": user_json(entry[1], request.root), "content": entry[2]}


@route("POST", f"{REPOSITORY}/issues/comments/{{comment}}/reactions")
def react_to_comment(request: Request) -> Any:
    return _react(request, _comment(request).reactions)


@route("GET", f"{REPOSITORY}/issues/comments/{{comment}}/reactions")
def reactions_of_comment(request: Request) -> Any:
    return [_reaction(request, entry) for entry in _comment(request).reactions]


@route("POST", f"{ISSUE}/reactions")
def react_to_issue(request: Request) -> Any:
    return _react(request, find(request).reactions)


@route("GET", f"{ISSUE}/reactions")
def reactions_of_issue(request: Request) -> Any:
    return [_reaction(request, entry) for entry in find(request).reactions]


@route("GET", f"{ISSUE}/events")
def events(request: Request) -> Any:
    number = find(request).number
    return [
        {
            "id": entry["id"],
            "event": entry["event"],
            "actor": user_json(entry["actor"], request.root),
            "created_at": stamp(entry["created"]),
            "commit_id": entry.get("commit"),
            **({"label": {"name": entry["label"]}} if "label" in entry else {}),
        }
        for entry in request.github.events
        if entry["issue"] == number
    ]


# Labels


def set_labels(request: Request, pull: Pull, names: list[Any]) -> None:
    wanted = [name["name"] if isinstance(name, dict) else name for name in names]
    for name in wanted:
        _check_label(name)
    github, actor = request.github, request.token.user
    for name in wanted:
        if name not in pull.labels:
            github.log_event(pull.number, "labeled", actor, label=name)
    for name in pull.labels:
        if name not in wanted:
            github.log_event(pull.number, "unlabeled", actor, label=name)
    pull.labels = list(dict.fromkeys(wanted))
    for name in wanted:
        github.labels.setdefault(name, {"name": name, "color": "ededed"})
    pull.updated = github.tick()


def _check_label(name: Any) -> None:
    if not isinstance(name, str) or not name.strip() or len(name) > 50:
        raise invalid("name is too long (maximum is 50 characters)", "name", "invalid")


def _labels(request: Request, pull: Pull) -> Json | list[Json]:
    return [label_json(request, name) for name in pull.labels]


@route("GET", f"{ISSUE}/labels")
def labels(request: Request) -> Any:
    return _labels(request, find(request))


@route("PUT", f"{ISSUE}/labels")
def replace_labels(request: Request) -> Any:
    request.needs("issues")
    pull = find(request)
    set_labels(request, pull, request.body.get("labels", []))
    return _labels(request, pull)


@route("POST", f"{ISSUE}/labels")
def add_labels(request: Request) -> Any:
    request.needs("issues")
    pull = find(request)
    set_labels(request, pull, [*pull.labels, *request.body.get("labels", [])])
    return _labels(request, pull)


@route("DELETE", f"{ISSUE}/labels/{{label}}")
def remove_label(request: Request) -> Any:
    request.needs("issues")
    pull, name = find(request), request.parts["label"]
    if name not in pull.labels:
        raise Refused(404, "Label does not exist")
    set_labels(request, pull, [label for label in pull.labels if label != name])
    return _labels(request, pull)


@route("GET", f"{REPOSITORY}/labels")
def repository_labels(request: Request) -> Any:
    return [label_json(request, name) for name in request.github.labels]


@route("POST", f"{REPOSITORY}/labels")
def add_repository_label(request: Request) -> Any:
    request.needs("issues")
    name = request.text("name", 50)
    if re.fullmatch(r"[0-9a-fA-F]{6}", request.body.get("color", "ededed")) is None:
        raise invalid("color is invalid", "color", "invalid")
    if name in request.github.labels:
        raise invalid("name already exists", "name", "already_exists")
    request.github.labels[name] = request.body
    return Answer(201, label_json(request, name))
