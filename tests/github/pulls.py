"""Pull requests, their files, reviews and comments on lines."""

from __future__ import annotations

from typing import Any

from tests.github.http import REPOSITORY, Answer, Request, invalid, route
from tests.github.people import user_json
from tests.github.repository import GitRefused
from tests.github.state import Json, Pull, Refused, Review, ReviewComment, User, stamp

PULL = f"{REPOSITORY}/pulls/{{number}}"


def find(request: Request) -> Pull:
    found = request.github.pulls.get(request.number())
    if found is None:
        raise Refused(404, "Not Found")
    return found


def label_json(request: Request, name: str) -> Json:
    kept = request.github.labels.get(name, {})
    return {
        "id": abs(hash(name)) % 10**9,
        "name": name,
        "color": kept.get("color", "ededed"),
        "description": kept.get("description"),
        "url": f"{request.url}/labels/{name}",
        "default": False,
    }


def pull_json(request: Request, pull: Pull, *, whole: bool = False) -> Json:
    github, root = request.github, request.root
    merged = github.shows_merge(pull)
    hidden = pull.merged is not None and not merged
    owner = github.full_name.split("/")[0]
    home = "stranger" if pull.fork else owner
    name = github.full_name.split("/")[1]
    branch_url = {"full_name": f"{home}/{name}", "id": 99 if pull.fork else 1, "fork": pull.fork}
    body: Json = {
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "number": pull.number,
        "state": "open" if hidden else pull.state,
        "title": pull.title,
        "body": pull.body or None,
        "draft": pull.draft,
        "locked": False,
        "user": user_json(pull.user, root),
        "labels": [label_json(request, label) for label in pull.labels],
        "created_at": stamp(pull.created),
        "updated_at": stamp(pull.updated),
        "closed_at": None if hidden else stamp(pull.closed),
        "merged_at": stamp(pull.merged) if merged else None,
        "merge_commit_sha": pull.merge_commit if merged else None,
        "author_association": "MEMBER" if pull.user.may_write else "NONE",
        "head": {
            "ref": pull.branch,
            "sha": pull.head,
            "label": f"{home}:{pull.branch}",
            "repo": branch_url,
            "user": {"login": home},
        },
        "base": {
            "ref": pull.base,
            "sha": pull.base_sha,
            "label": f"{owner}:{pull.base}",
            "repo": {"full_name": github.full_name, "id": 1},
        },
        "url": f"{request.url}/pulls/{pull.number}",
        "issue_url": f"{request.url}/issues/{pull.number}",
        "html_url": f"{root}/{github.full_name}/pull/{pull.number}",
    }
    if whole:
        body["merged"] = merged
        body["merged_by"] = user_json(pull.merged_by, root) if merged else None
        body["mergeable"] = None if pull.state != "open" else True
        body["comments"] = sum(1 for c in github.comments.values() if c.issue == pull.number)
    return body


@route("GET", f"{REPOSITORY}/pulls")
def listing(request: Request) -> Any:
    request.needs("pull_requests", "read")
    query = request.query
    state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
    found = [pull for pull in request.github.pulls.values() if state in {"all", pull.state}]
    if head:
        branch = head.split(":", 1)[-1]
        found = [pull for pull in found if pull.branch == branch and not pull.fork]
    if base:
        found = [pull for pull in found if pull.base == base]
    key = "updated" if query.get("sort") == "updated" else "created"
    down = query.get("direction", "desc" if key == "created" else "asc") == "desc"
    found.sort(key=lambda pull: (getattr(pull, key), pull.number), reverse=down)
    return [pull_json(request, pull) for pull in found]


@route("POST", f"{REPOSITORY}/pulls")
def create(request: Request) -> Any:
    request.needs("pull_requests")
    github = request.github
    title, branch = request.text("title", 256), request.text("head")
    base = request.text("base")
    branch = branch.split(":", 1)[-1]
    body = request.body.get("body") or ""
    if len(body) > 65536:
        raise invalid("body is too long (maximum is 65536 characters)", "body", "invalid")
    head = github.repository.commit(f"refs/heads/{branch}")
    target = github.repository.commit(f"refs/heads/{base}")
    if head is None:
        raise invalid("head is invalid", "head", "invalid")
    if target is None:
        raise invalid("base is invalid", "base", "invalid")
    if any(pull.branch == branch and pull.base == base for pull in github.open_pulls()):
        raise invalid(f"A pull request already exists for {branch}.", "head", "custom")
    if github.repository.contains(target, head):
        raise invalid(f"No commits between {base} and {branch}", "head", "custom")
    return Answer(
        201, pull_json(request, open_pull(request, title, body, branch, base), whole=True)
    )


def open_pull(request: Request, title: str, body: str, branch: str, base: str) -> Pull:
    github = request.github
    head = github.repository.commit(f"refs/heads/{branch}") or ""
    target = github.repository.commit(f"refs/heads/{base}") or ""
    number = max(github.pulls, default=0) + 1
    at = github.tick()
    user = request.token.user
    pull = Pull(number, github.new_id(), user, title, body, branch, base, head, target, at, at)
    github.pulls[number] = pull
    github.repository.set_ref(f"refs/pull/{number}/head", head)
    return pull


@route("GET", PULL)
def get(request: Request) -> Any:
    request.needs("pull_requests", "read")
    return pull_json(request, find(request), whole=True)


@route("PATCH", PULL)
def edit(request: Request) -> Any:
    request.needs("pull_requests")
    pull = find(request)
    change(request, pull)
    return pull_json(request, pull, whole=True)


def change(request: Request, pull: Pull) -> None:
    """Title, body and state, by the API of pull requests or of issues."""
    github, body = request.github, request.body
    if "title" in body:
        pull.title = request.text("title", 256)
    if "body" in body:
        pull.body = body["body"] or ""
    state = body.get("state")
    if state == "closed" and pull.state == "open":
        pull.state, pull.closed, pull.closed_by = "closed", github.tick(), request.token.user
        github.log_event(pull.number, "closed", request.token.user)
    if state == "open" and pull.state == "closed":
        if pull.merged is not None:
            raise invalid("The pull request cannot be reopened.", "state", "invalid")
        pull.state, pull.closed, pull.closed_by = "open", None, None
        github.log_event(pull.number, "reopened", request.token.user)
    pull.updated = github.tick()


@route("PUT", f"{PULL}/merge")
def merge(request: Request) -> Any:
    request.needs("contents")
    github, pull = request.github, find(request)
    if pull.state != "open":
        raise Refused(405, "Pull Request is not mergeable")
    if request.body.get("sha") not in {None, pull.head}:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    repository, ref = github.repository, f"refs/heads/{pull.base}"
    base = repository.commit(ref) or ""
    try:
        tree = repository.text("merge-tree", "--write-tree", base, pull.head).split("\n")[0]
    except GitRefused:
        raise Refused(405, "Pull Request is not mergeable") from None
    method = request.body.get("merge_method", "merge")
    parents = [base] if method == "squash" else [base, pull.head]
    title = request.body.get("commit_title") or f"Merge pull request #{pull.number}"
    options = [word for parent in parents for word in ("-p", parent)]
    commit = repository.text("commit-tree", tree, *options, "-m", title)
    repository.set_ref(ref, commit, base)
    github.mark_merged(pull, commit, request.token.user)
    return {"sha": commit, "merged": True, "message": "Pull Request successfully merged"}


@route("GET", f"{PULL}/files")
def files(request: Request) -> Any:
    pull, repository = find(request), request.github.repository
    fork = repository.text("merge-base", pull.base_sha, pull.head)
    lines = repository.text("diff-tree", "-r", "--name-status", "--no-renames", fork, pull.head)
    words = {"A": "added", "M": "modified", "D": "removed", "T": "changed"}
    found = []
    for line in filter(None, lines.split("\n")):
        status, name = line.split("\t", 1)
        patch = repository.text("diff", fork, pull.head, "--", name)
        found.append({"filename": name, "status": words.get(status, "changed"), "patch": patch})
    return found


@route("GET", f"{PULL}/commits")
def commits(request: Request) -> Any:
    from tests.github.gitdata import commit_json

    pull, repository = find(request), request.github.repository
    listed = repository.text("rev-list", "--reverse", f"{pull.base_sha}..{pull.head}").split()
    return [commit_json(request, sha) for sha in listed]


# Reviews


def review_json(request: Request, review: Review) -> Json:
    return {
        "id": review.id,
        "node_id": f"PRR_{review.id}",
        "user": user_json(review.user, request.root),
        "state": review.state,
        "body": review.body,
        "commit_id": review.commit,
        "submitted_at": stamp(review.submitted),
        "pull_request_url": f"{request.url}/pulls/{review.pull}",
    }


def line_json(request: Request, comment: ReviewComment) -> Json:
    return {
        "id": comment.id,
        "pull_request_review_id": comment.review,
        "user": user_json(comment.user, request.root),
        "body": comment.body,
        "path": comment.path,
        "line": comment.line,
        "original_line": comment.line,
        "side": comment.side,
        "commit_id": comment.commit,
        "original_commit_id": comment.commit,
        "in_reply_to_id": comment.reply_to,
        "created_at": stamp(comment.created),
        "updated_at": stamp(comment.created),
        "author_association": "MEMBER" if comment.user.may_write else "NONE",
        "url": f"{request.url}/pulls/comments/{comment.id}",
        "html_url": f"{request.root}/{request.github.full_name}/pull/{comment.pull}"
        f"#discussion_r{comment.id}",
        "pull_request_url": f"{request.url}/pulls/{comment.pull}",
    }


@route("POST", "/graphql")
def edits_of_reviews(request: Request) -> Any:
    """The one question that is asked of the other API: which reviews were edited."""
    if "lastEditedAt" not in request.text("query"):
        return {"errors": [{"message": "the model knows one question only"}]}
    found = {f"PRR_{review.id}": review for review in request.github.reviews.values()}
    wanted = [(name, found.get(name)) for name in request.body["variables"]["ids"]]
    nodes = [
        {"id": name, "lastEditedAt": stamp(review.edited)} if review else None
        for name, review in wanted
    ]
    return {"data": {"nodes": nodes}}


@route("GET", f"{PULL}/reviews")
def reviews(request: Request) -> Any:
    number = find(request).number
    found = request.github.reviews.values()
    return [review_json(request, review) for review in found if review.pull == number]


@route("POST", f"{PULL}/reviews")
def add_review(request: Request) -> Any:
    request.needs("pull_requests")
    pull, github, body = find(request), request.github, request.body
    states = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
    state = states.get(body.get("event", ""), "PENDING")
    if state == "APPROVED" and request.token.user is pull.user:
        raise Refused(422, "Can not approve your own pull request")
    commit = body.get("commit_id") or pull.head
    made = review_by(github, pull, request.token.user, state, body.get("body") or "", commit)
    for line in body.get("comments", []):
        add_line(github, pull, request.token.user, {**line, "commit_id": commit}, made.id)
    return review_json(request, made)


def review_by(github: Any, pull: Pull, user: User, state: str, body: str, commit: str) -> Review:
    at = github.tick()
    made = Review(github.new_id(), pull.number, user, state, body, commit, at)
    github.reviews[made.id] = made
    pull.updated = at
    return made


def add_line(github: Any, pull: Pull, user: User, body: Json, review: int | None) -> ReviewComment:
    made = ReviewComment(
        id=github.new_id(),
        pull=pull.number,
        review=review,
        user=user,
        body=body["body"],
        path=body["path"],
        line=body.get("line"),
        side=body.get("side", "RIGHT"),
        commit=body.get("commit_id") or pull.head,
        created=github.tick(),
        reply_to=body.get("in_reply_to"),
    )
    github.review_comments[made.id] = made
    pull.updated = made.created
    return made


@route("GET", f"{PULL}/comments")
def line_comments(request: Request) -> Any:
    number = find(request).number
    found = request.github.review_comments.values()
    return [line_json(request, comment) for comment in found if comment.pull == number]


@route("GET", f"{REPOSITORY}/pulls/comments")
def all_line_comments(request: Request) -> Any:
    down = request.query.get("direction") == "desc"
    found = sorted(
        request.github.review_comments.values(), key=lambda each: (each.created, each.id)
    )
    return [line_json(request, comment) for comment in (found[::-1] if down else found)]


@route("POST", f"{PULL}/comments")
def add_line_comment(request: Request) -> Any:
    request.needs("pull_requests")
    request.text("body", 65536)
    if "in_reply_to" not in request.body:
        request.text("path")
    else:
        first = request.github.review_comments[request.body["in_reply_to"]]
        request.body |= {"path": first.path, "line": first.line}
    made = add_line(request.github, find(request), request.token.user, request.body, None)
    return Answer(201, line_json(request, made))
