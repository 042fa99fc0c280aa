"""Complete proposals on their way to a pull request: each is a ref until it is one.

A proposal is written down together with what it cost, in one transaction, the moment it is
complete, so that no crash can make it be paid for again: `refs/forge/proposals/<id>`, a commit
with the files and everything that was said. The ref ends in the very write that opens the pull
request; what a crash leaves is opened by whoever comes next, without asking again. (On GitHub one
that could not be pushed ends after that write: see `bot.forge.github.opening`.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.forge.base import ForgeError
from bot.git import Create, Delete, Identity, RefChange, RefMoved, Repository
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal, Source
from bot.proposers.base import Context, Revision
from bot.proposing.place import Place

PREFIX = "refs/forge/proposals/"
_FILE = "proposal.json"


class _Written(BaseModel):
    """`proposal.json`. `files` are paths; their contents lie beside it, named by their index."""

    model_config = ConfigDict(extra="forbid")

    proposer: str
    hypothesis: Hypothesis
    files: tuple[str, ...]
    cost: dict[str, Any]
    notes: str
    sources: tuple[Source, ...]
    base: str
    phase: str
    revises: int | None
    answers: str


@dataclass(frozen=True)
class Kept:
    """A complete proposal as it was written down.

    `revises` is the experiment that it revises, None for a new one; `answers` names the request
    for that (`question`). `base` is the commit that its files were made from.
    """

    proposal: Proposal
    base: str
    phase: str
    revises: int | None
    answers: str


def question(revision: Revision | None) -> str:
    """What names a request for a revision: the same for the same files and the same words."""
    if revision is None:
        return ""
    digest = hashlib.sha256()
    for part in (str(revision.number), revision.error, revision.guidance):
        digest.update(part.encode("utf-8", "replace") + b"\0")
    for path, data in sorted(revision.files.items()):
        digest.update(path.encode("utf-8", "replace") + b"\0%d\0" % len(data) + data)
    return digest.hexdigest()


def write(
    repository: Repository, proposal: Proposal, told: Context, who: Identity, when: int
) -> tuple[Proposal, tuple[RefChange, ...]]:
    """The proposal as it will be kept, and the change of refs that keeps it.

    Raises GitError when git fails.
    """
    paths = sorted(proposal.files)
    written = {
        "proposer": proposal.proposer,
        "hypothesis": asdict(proposal.hypothesis),
        "files": paths,
        "cost": asdict(proposal.cost),
        "notes": proposal.notes,
        "sources": [asdict(source) for source in proposal.sources],
        "base": told.base,
        "phase": told.phase.name,
        "revises": told.revision.number if told.revision else None,
        "answers": question(told.revision),
    }
    contents = {str(index): proposal.files[path] for index, path in enumerate(paths)}
    contents[_FILE] = json.dumps(written, indent=1).encode()
    blobs = {name: ("100644", repository.write_blob(data)) for name, data in contents.items()}
    message = f"A proposal of {proposal.proposer} on its way to a pull request\n"
    parents = [told.base] if told.base else []
    commit = repository.commit_tree(repository.write_tree(blobs), parents, message, who, when)
    # Two at the same second may be equal, but never have the same number in the making.
    ref = f"{PREFIX}{told.number}-{commit[:16]}"
    kept = replace(proposal, kept=(ref, commit))
    return kept, () if repository.ref(ref) == commit else (Create(ref, commit),)


def waiting(place: Place) -> tuple[Kept, ...]:
    """What is kept, here and where clones share it; what cannot be read is left where it is."""
    refs = place.forge.own_refs.below(PREFIX)
    found = (_read(place.repository, ref, commit) for ref, commit in sorted(refs.items()))
    return tuple(kept for kept in found if kept is not None)


def answer(place: Place, told: Context) -> Proposal | None:
    """The revision that a process before this one was given for the same request, if any.

    What was given for another request about the same experiment is forgotten.
    """
    if told.revision is None:
        return None
    wanted, found = question(told.revision), None
    for one in waiting(place):
        if one.revises == told.revision.number:
            if one.answers == wanted:
                found = one.proposal
            else:
                forget(place, one.proposal)
    return found


def is_waiting(place: Place, proposal: Proposal) -> bool:
    """Whether a proposal is still on its way; nobody keeps one that was not written down."""
    if proposal.kept is None:
        return True
    ref, commit = proposal.kept
    return place.forge.own_refs.below(PREFIX).get(ref) == commit


def written_at(place: Place, proposal: Proposal) -> int | None:
    """When it was written down, in seconds since 1970; None where it was not."""
    return place.repository.committed_at(proposal.kept[1]) if proposal.kept else None


def forget(place: Place, proposal: Proposal) -> None:
    """It comes to nothing, or is where it belongs. What stays of it is found settled later."""
    if proposal.kept is not None:
        remove(place, *proposal.kept)


def remove(place: Place, ref: str, commit: str) -> None:
    """Remove a ref of the bot's own that is at `commit`, here and where clones share it."""
    remove_here(place, ref, commit)
    with suppress(ForgeError):
        place.forge.own_refs.publish(ref, old=commit, new=None)


def remove_here(place: Place, ref: str, commit: str | None) -> None:
    """Remove it from this clone alone."""
    with suppress(RefMoved):  # it is gone already
        if commit is not None:
            place.repository.update_refs([Delete(ref, commit)], "nobody waits for it any more")


def _read(repository: Repository, ref: str, commit: str) -> Kept | None:
    try:
        data = repository.read_file(commit, _FILE) or b""
        written = _Written.model_validate_json(data)
    except (ValidationError, ValueError, RecursionError):
        return None
    names = [str(index) for index in range(len(written.files))]
    contents = repository.read_files(commit, names)
    files: Mapping[str, bytes | None] = dict(
        zip(written.files, (contents.get(name) for name in names), strict=True)
    )
    proposal = Proposal(
        hypothesis=written.hypothesis,
        files={path: content for path, content in files.items() if content is not None},
        proposer=written.proposer,
        cost=Cost.read(written.cost),
        notes=written.notes,
        sources=written.sources,
        kept=(ref, commit),
    )
    return Kept(proposal, written.base, written.phase, written.revises, written.answers)
