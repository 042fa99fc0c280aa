"""How one conversation is kept: a commit with its parts, and a ref that moves after each answer.

`refs/forge/conversations/<id>` moves in the transaction that notes what the answer cost, and ends
in the one that keeps the finished proposal or notes that none came of it. Where clones share it, it
moves by compare-and-swap as well: whoever loses it notices.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.forge.base import Conflict, ForgeError
from bot.git import Create, Delete, GitError, Identity, RefChange, Update
from bot.history.cost import Cost
from bot.proposers.base import Context
from bot.proposing import claims, kept
from bot.proposing.place import BOT, Place
from bot.text.hygiene import Secrets

PREFIX = "refs/forge/conversations/"
ABOUT = "conversation.json"
MOST_BYTES = 16 << 20
"""A longer conversation is not kept any further: what was kept of it before stays."""
MOST_PARTS = 1_000
_LONGEST_ABOUT = 1 << 18
_PartName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}\.json$")]


class About(BaseModel):
    """`conversation.json`. The `parts` lie beside it, each a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    proposer: str
    purpose: str
    base: Annotated[str, Field(pattern=r"^(|[0-9a-f]{40}|[0-9a-f]{64})$")]
    revises: int | None
    claim: claims.Claim | None
    written: float
    shared: Annotated[str, Field(pattern=r"^[0-9a-f]+$")] | None = None  # what clones shared then
    cost: dict[str, Any]
    parts: Annotated[tuple[_PartName, ...], Field(max_length=MOST_PARTS)]

    @property
    def free(self) -> bool:
        """Whether nobody goes on with it."""
        return not claims.holds(self.claim, time.time() - self.written)

    @classmethod
    def read(cls, place: Place, commit: str) -> About | None:
        """What a commit says; None where that is no conversation. Raises GitError."""
        data = place.repository.read_files(commit, [ABOUT], _LONGEST_ABOUT)[ABOUT]
        try:
            return cls.model_validate_json(data or b"")
        except (ValidationError, ValueError, RecursionError):
            return None


def purpose(told: Context) -> str:
    """What names a request: the same for the same files, programme, phase, and revision."""
    phase = {**asdict(told.phase), "tools": sorted(told.phase.tools)}
    said = [told.program, told.entry, told.metric, told.direction, phase, asdict(told.allowed)]
    digest = hashlib.sha256(json.dumps(said).encode())
    for path, data in sorted(told.files.items()):
        digest.update(path.encode("utf-8", "replace") + b"\0%d\0" % len(data) + data)
    digest.update(kept.question(told.revision).encode())
    return digest.hexdigest()


class Journal:
    """One conversation as it is kept (`bot.proposers.base.Conversation`).

    `step`, `released` and `ended` give changes of refs; `made` has to be told once they took place,
    and `offer` brings them to where clones share it. `lost` tells that another process goes on.
    """

    def __init__(self, place: Place, told: Context, ref: str = "") -> None:
        self.ref = ref or f"{PREFIX}{told.number}-{secrets.token_hex(8)}"
        self.proposer = ""
        self.parts: Mapping[str, bytes] = {}
        self.cost = Cost()
        self.lost = False
        self._place = place
        self._told = told
        self._at: str | None = None  # the latest commit; None: it has not begun, or is over
        self._here = False  # whether this clone has the ref
        self._there: str | None = None  # the commit that clones share
        self._tried: str | None = None  # one that may have come there
        self._news = False  # since it was written last
        self._blobs: dict[bytes, str] = {}  # parts that are written already

    @classmethod
    def claim(cls, place: Place, told: Context, ref: str, commit: str, about: About) -> Journal:
        """Go on with one that was found at `commit`, and is about the same.

        `lost` where another process was first. Raises GitError and ForgeError.
        """
        journal = cls(place, told, ref)
        journal.proposer, journal.cost = about.proposer, Cost.read(about.cost)
        journal.parts = _read(place, commit, about)
        journal._at = commit
        journal._here = place.repository.ref(ref) is not None
        journal._there = place.forge.own_refs.elsewhere(ref) if journal._here else commit
        if _went_on_elsewhere(place, about, commit, journal._there):
            kept.remove_here(place, ref, commit)
            journal.lost = True
            return journal
        changes = journal._written(journal.cost, claims.own())
        if not changes:  # what it holds may not be kept any more
            kept.remove(place, ref, commit)
            journal.lost = True
            return journal
        place.repository.update_refs(changes, "go on with a conversation")
        journal.made(changes)
        journal.offer()
        return journal

    def keep(self, proposer: str, parts: Mapping[str, bytes]) -> None:
        """How the conversation stands; it is written with the cost that is settled next."""
        self.proposer, self.parts, self._news = proposer, parts, True

    # -----------------------------------------------------------------------------------------
    # changes of refs

    def step(self, cost: Cost) -> tuple[RefChange, ...]:
        """The change that keeps what is new, the whole of it having cost so much."""
        if self._news or (self._at and cost != self.cost):
            return self._try_to_write(cost, claims.own())
        return ()

    def released(self, cost: Cost) -> tuple[RefChange, ...]:
        """The change that leaves it to whoever asks for the same next."""
        return self._try_to_write(cost, None) if self._at else ()

    def ended(self) -> tuple[RefChange, ...]:
        """The change with which it is over."""
        return (Delete(self.ref, self._at),) if self._here and self._at and not self.lost else ()

    def made(self, changes: tuple[RefChange, ...]) -> None:
        """These took place."""
        for change in changes:
            self._at = None if isinstance(change, Delete) else getattr(change, "new", None)
            self._here, self._news = self._at is not None, False

    def over(self) -> None:
        """It is over, wherever it was kept; `offer` removes it where clones share it."""
        self._at, self._here, self._news = None, False, False

    @property
    def shared(self) -> tuple[str, str] | None:
        """Ref and commit in the place that all clones share."""
        return (self.ref, self._there) if self._there and not self.lost else None

    def offer(self) -> None:
        """Bring it to where clones share it; where that fails it is tried with the next answer."""
        if self.lost or self._at == self._there:
            return
        forge = self._place.forge
        try:
            if self._tried and forge.own_refs.elsewhere(self.ref) == self._tried:
                self._there = self._tried  # it came there, and nobody could say so
            if self._at != self._there:
                self._tried = self._at
                forge.own_refs.publish(self.ref, old=self._there, new=self._at)
            self._there, self._tried = self._at, None
        except Conflict:
            self.lost = True
            kept.remove_here(self._place, self.ref, self._at)
        except ForgeError:
            return
        self._here = self._at is not None and self._place.repository.ref(self.ref) is not None

    def taken(self) -> None:
        """It was removed from there together with something else."""
        self._there = None

    def _try_to_write(self, cost: Cost, claim: claims.Claim | None) -> tuple[RefChange, ...]:
        try:
            return self._written(cost, claim)
        except GitError:
            return ()  # what it cost shall be written down all the same

    def _written(self, cost: Cost, claim: claims.Claim | None) -> tuple[RefChange, ...]:
        """The change; none where it may not be kept: too long, or what looks like a secret."""
        size = sum(map(len, self.parts.values()))
        if self.lost or len(self.parts) > MOST_PARTS or size > MOST_BYTES:
            return ()
        self.cost = cost
        blobs = {ABOUT: self._place.repository.write_blob(self._about(claim))}
        for name, data in self.parts.items():
            mark = hashlib.sha256(data).digest()
            if mark not in self._blobs:
                if _has_secret(data):
                    return ()
                self._blobs[mark] = self._place.repository.write_blob(data)
            blobs[name] = self._blobs[mark]
        commit = self._commit(blobs)
        if self._here and self._at:
            return (Update(self.ref, commit, self._at),)
        return (Create(self.ref, commit),)

    def _about(self, claim: claims.Claim | None) -> bytes:
        told = self._told
        about = About(
            version=1,
            proposer=self.proposer,
            purpose=purpose(told),
            base=told.base,
            revises=told.revision.number if told.revision else None,
            claim=claim,
            written=time.time(),
            shared=self._there,
            cost=asdict(self.cost),
            parts=tuple(self.parts),
        )
        return about.model_dump_json(indent=1).encode()

    def _commit(self, blobs: Mapping[str, str]) -> str:
        repository, told = self._place.repository, self._told
        tree = repository.write_tree({name: ("100644", blob) for name, blob in blobs.items()})
        message = f"A conversation of {self.proposer} that goes on (phase {told.phase.name})\n"
        parents = [told.base] if told.base else []
        who = Identity(BOT.name, BOT.id)
        return repository.commit_tree(tree, parents, message, who, int(time.time()))


def _went_on_elsewhere(place: Place, about: About, commit: str, there: str | None) -> bool:
    """Whether another clone has taken it since this one wrote it down, or has ended it."""
    if there == commit:
        return False
    if there is None:
        return about.shared is not None
    theirs = About.read(place, there)
    return theirs is not None and theirs.written > about.written


def _read(place: Place, commit: str, about: About) -> Mapping[str, bytes]:
    """What was kept; nothing where it is not all there, or is too long."""
    sizes = place.repository.sizes(commit, about.parts)
    if sum(sizes.values()) > MOST_BYTES or set(sizes) != set(about.parts):
        return {}
    found = place.repository.read_files(commit, about.parts)
    return {name: found[name] or b"" for name in about.parts}


def _has_secret(part: bytes) -> bool:
    known = Secrets.of(os.environ)
    try:
        return any(known.found_in(text) for text in _texts(json.loads(part)))
    except (ValueError, RecursionError):
        return known.found_in(part.decode("utf-8", "replace"))


def _texts(value: object) -> Iterator[str]:
    """All texts in JSON data: written out, one with a quotation mark in it would look different."""
    match value:
        case str():
            yield value
        case dict():
            for key, one in value.items():
                yield key
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)
