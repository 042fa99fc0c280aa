"""The git data API: refs, commits, trees, blobs; and reading files and commits."""

from __future__ import annotations

import base64
from typing import Any

from tests.github.http import REPOSITORY, Answer, Request, invalid, route
from tests.github.repository import GitRefused
from tests.github.state import Json, Refused

GIT = f"{REPOSITORY}/git"


def commit_json(request: Request, sha: str) -> Json:
    """A commit as the API of the repository shows it; `git_commit_json` for that of git data."""
    inner = git_commit_json(request, sha)
    return {
        "sha": sha,
        "node_id": f"C_{sha}",
        "commit": {key: inner[key] for key in ("message", "tree", "author", "committer")},
        "parents": inner["parents"],
        "author": None,
        "committer": None,
        "url": f"{request.url}/commits/{sha}",
        "html_url": f"{request.root}/{request.github.full_name}/commit/{sha}",
    }


def git_commit_json(request: Request, sha: str) -> Json:
    shown = request.github.repository.run(
        "show", "-s", "--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B", sha
    )
    tree, parents, *people, message = shown.decode("utf-8", "replace").split("\0", 8)
    return {
        "sha": sha,
        "tree": {"sha": tree, "url": f"{request.url}/git/trees/{tree}"},
        "parents": [
            {"sha": parent, "url": f"{request.url}/git/commits/{parent}"}
            for parent in parents.split()
        ],
        "message": message.rstrip("\n"),
        "author": dict(zip(("name", "email", "date"), people[:3], strict=True)),
        "committer": dict(zip(("name", "email", "date"), people[3:], strict=True)),
        "url": f"{request.url}/git/commits/{sha}",
    }


def ref_json(request: Request, name: str, sha: str) -> Json:
    return {
        "ref": name,
        "object": {"sha": sha, "type": "commit", "url": f"{request.url}/git/commits/{sha}"},
        "url": f"{request.url}/git/{name}",
    }


def _commit(request: Request, revision: str) -> str:
    found = request.github.repository.commit(revision)
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route("GET", f"{GIT}/ref/{{ref+}}")
def get_ref(request: Request) -> Any:
    name = f"refs/{request.parts['ref']}"
    sha = request.github.repository.refs().get(name)
    if sha is None:
        raise Refused(404, "Not Found")
    return ref_json(request, name, sha)


@route("GET", f"{GIT}/matching-refs/{{ref+}}")
def matching_refs(request: Request) -> Any:
    prefix = f"refs/{request.parts['ref']}"
    found = sorted(request.github.repository.refs().items())
    return [ref_json(request, name, sha) for name, sha in found if name.startswith(prefix)]


@route("POST", f"{GIT}/refs")
def create_ref(request: Request) -> Any:
    request.needs("contents")
    name, sha, repository = request.text("ref"), request.text("sha"), request.github.repository
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refused(422, "Reference name must start with refs/ and contain two slashes")
    if repository.commit(sha) is None:
        raise Refused(422, "Object does not exist")
    try:
        repository.set_ref(name, sha, "0" * 40)
    except GitRefused:
        raise Refused(422, "Reference already exists") from None
    return Answer(201, ref_json(request, name, sha))


@route("PATCH", f"{GIT}/refs/{{ref+}}")
def edit_ref(request: Request) -> Any:
    request.needs("contents")
    name, sha, repository = (
        f"refs/{request.parts['ref']}",
        request.text("sha"),
        request.github.repository,
    )
    old = repository.refs().get(name)
    if old is None:
        raise Refused(422, "Reference does not exist")
    if repository.commit(sha) is None:
        raise Refused(422, "Object does not exist")
    if not request.body.get("force") and not repository.contains(sha, old):
        raise Refused(422, "Update is not a fast forward")
    repository.set_ref(name, sha, old)
    return ref_json(request, name, sha)


@route("DELETE", f"{GIT}/refs/{{ref+}}")
def delete_ref(request: Request) -> Any:
    request.needs("contents")
    name = f"refs/{request.parts['ref']}"
    if name not in request.github.repository.refs():
        raise Refused(422, "Reference does not exist")
    request.github.repository.delete_ref(name)
    return Answer(204)


@route("GET", f"{GIT}/commits/{{sha}}")
def get_commit(request: Request) -> Any:
    return git_commit_json(request, _commit(request, request.parts["sha"]))


@route("POST", f"{GIT}/commits")
def create_commit(request: Request) -> Any:
    request.needs("contents")
    repository, body = request.github.repository, request.body
    options = [word for parent in body.get("parents", []) for word in ("-p", parent)]
    names = {}
    for who in ("author", "committer"):
        person = body.get(who) or body.get("author") or {}
        for key, name in (("name", "NAME"), ("email", "EMAIL"), ("date", "DATE")):
            if person.get(key):
                names[f"GIT_{who.upper()}_{name}"] = person[key]
    try:
        message = request.text("message").encode()
        sha = repository.text(
            "commit-tree", request.text("tree"), *options, "-F", "-", stdin=message, extra=names
        )
    except GitRefused as error:
        raise Refused(422, str(error)) from None
    return Answer(201, git_commit_json(request, sha))


@route("POST", f"{GIT}/blobs")
def create_blob(request: Request) -> Any:
    request.needs("contents")
    content = request.body.get("content", "")
    coded = request.body.get("encoding") == "base64"
    data = base64.b64decode(content) if coded else content.encode()
    sha = request.github.repository.text("hash-object", "-w", "--stdin", stdin=data)
    return Answer(201, {"sha": sha, "url": f"{request.url}/git/blobs/{sha}"})


@route("GET", f"{GIT}/blobs/{{sha}}")
def get_blob(request: Request) -> Any:
    sha = request.parts["sha"]
    try:
        data = request.github.repository.run("cat-file", "blob", sha)
    except GitRefused:
        raise Refused(404, "Not Found") from None
    content = base64.b64encode(data).decode()
    return {"sha": sha, "encoding": "base64", "size": len(data), "content": content}


@route("POST", f"{GIT}/trees")
def create_tree(request: Request) -> Any:
    request.needs("contents")
    repository, body = request.github.repository, request.body
    index = {"GIT_INDEX_FILE": str(repository.path / f"index-{request.github.new_id()}")}
    try:
        if body.get("base_tree"):
            repository.run("read-tree", body["base_tree"], extra=index)
        for entry in body.get("tree", []):
            _put(request, entry, index)
        sha = repository.text("write-tree", extra=index)
    except GitRefused as error:
        raise Refused(422, str(error)) from None
    return Answer(201, {"sha": sha, **_tree(request, sha)})


def _put(request: Request, entry: Json, index: dict[str, str]) -> None:
    repository, path = request.github.repository, entry["path"]
    sha = entry.get("sha")
    if "content" in entry:
        sha = repository.text("hash-object", "-w", "--stdin", stdin=entry["content"].encode())
    if sha is None:
        repository.run("update-index", "--force-remove", path, extra=index)
        return
    line = f"{entry.get('mode', '100644')},{sha},{path}"
    repository.run("update-index", "--add", "--cacheinfo", line, extra=index)


def _tree(request: Request, sha: str, *, deep: bool = False) -> Json:
    options = ["-r", "-t"] if deep else []
    listing = request.github.repository.run("ls-tree", "-z", *options, sha)
    entries = []
    for line in filter(None, listing.decode("utf-8", "surrogateescape").split("\0")):
        facts, path = line.split("\t", 1)
        mode, kind, name = facts.split()
        entries.append({"path": path, "mode": mode, "type": kind, "sha": name})
    return {"tree": entries, "truncated": False, "url": f"{request.url}/git/trees/{sha}"}


@route("GET", f"{GIT}/trees/{{sha}}")
def get_tree(request: Request) -> Any:
    try:
        sha = request.github.repository.text("rev-parse", f"{request.parts['sha']}^{{tree}}")
    except GitRefused:
        raise Refused(404, "Not Found") from None
    return {"sha": sha, **_tree(request, sha, deep="recursive" in request.query)}


@route("GET", f"{REPOSITORY}/branches/{{branch}}")
def branch(request: Request) -> Any:
    name = request.parts["branch"]
    sha = _commit(request, f"refs/heads/{name}")
    protected = f"protection/{name}" in request.github.settings
    return {"name": name, "commit": commit_json(request, sha), "protected": protected}


@route("GET", f"{REPOSITORY}/commits/{{ref}}")
def commit(request: Request) -> Any:
    return commit_json(request, _commit(request, request.parts["ref"]))


@route("GET", f"{REPOSITORY}/compare/{{base}}...{{head}}")
def compare(request: Request) -> Any:
    base, head = (_commit(request, request.parts[name]) for name in ("base", "head"))
    repository = request.github.repository
    ahead = repository.text("rev-list", "--reverse", f"{base}..{head}").split()
    behind = repository.text("rev-list", f"{head}..{base}").split()
    word = (
        "diverged"
        if ahead and behind
        else "ahead"
        if ahead
        else "behind"
        if behind
        else "identical"
    )
    return {
        "status": word,
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "commits": [commit_json(request, sha) for sha in ahead],
        "merge_base_commit": commit_json(request, repository.text("merge-base", base, head)),
    }


@route("GET", f"{REPOSITORY}/contents/{{path+}}")
def contents(request: Request) -> Any:
    github, path = request.github, request.parts["path"]
    commit = _commit(request, request.query.get("ref") or f"refs/heads/{github.default_branch}")
    try:
        data = github.repository.run("cat-file", "blob", f"{commit}:{path}")
        sha = github.repository.text("rev-parse", f"{commit}:{path}")
    except GitRefused:
        raise Refused(404, "Not Found") from None
    return {
        "type": "file",
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha,
        "size": len(data),
        "encoding": "base64",
        "content": base64.b64encode(data).decode(),
        "url": f"{request.url}/contents/{path}",
    }


@route("POST", f"{REPOSITORY}/merges")
def merge_branches(request: Request) -> Any:
    request.needs("contents")
    raise invalid("The model does not merge branches", "base", "invalid")
