"""Audits under `refs/forge/audits/<n>`: chains like those of the pull requests, but apart.

The first commit of a chain says what is asked for, every further one holds one result, as
`event.json`. Results hold sealed scores: nothing that shows a pull request, and nothing that a
proposer is told, reads these refs. The refspecs of `bot.forge.git.refspecs` leave them out: a
remote may be public, and a proposer may read the web.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from bot.forge.base import Audit, AuditedWinner, Author, Conflict, ForgeError
from bot.forge.events import (
    MAXIMUM_BYTES,
    Base,
    InvalidEvent,
    ObjectId,
    Plan,
    Strict,
    encode,
    explain,
)
from bot.forge.expected import refusals
from bot.forge.git.chains import TRIES
from bot.forge.git.store import EVENT_FILE, BrokenChain
from bot.git import Create, Identity, RefMoved, Repository, Update
from bot.git.batch import read_objects

NAMESPACE = "refs/forge/audits"
_NAME = re.compile(rf"{NAMESPACE}/([1-9][0-9]{{0,17}})")


class Pair(Strict):
    """`bot.forge.base.AuditedWinner` as JSON."""

    number: Annotated[int, Field(ge=1)]
    winner: ObjectId
    parent: ObjectId


class Began(Base):
    """An audit is asked for."""

    kind: Literal["audit-began"] = "audit-began"
    number: Annotated[int, Field(ge=1)]
    runner_class: str
    winners: tuple[Pair, ...]
    runs: tuple[Plan, ...]


class AuditMeasured(Base):
    """One run of an audit has its result."""

    kind: Literal["audit-measured"] = "audit-measured"
    index: Annotated[int, Field(ge=0)]
    result: dict[str, Any]


AuditEvent: TypeAlias = Began | AuditMeasured

_EVENT: TypeAdapter[AuditEvent] = TypeAdapter(Annotated[AuditEvent, Field(discriminator="kind")])


class GitAudits:
    """`bot.forge.base.Audits` of one repository, written in the name of `bot`."""

    def __init__(self, repository: Repository, bot: Author, now: Callable[[], int]) -> None:
        """`now` is the time in seconds since 1970."""
        self._repository = repository
        self._now = now
        self._bot = Identity(bot.name, bot.id)

    def numbers(self) -> tuple[int, ...]:
        """The numbers of all audits, in order."""
        names = self._repository.git.text("for-each-ref", "--format=%(refname)", f"{NAMESPACE}/")
        found = (_NAME.fullmatch(name) for name in names.split("\n"))
        return tuple(sorted(int(match[1]) for match in found if match))

    def read(self, numbers: Collection[int] | None = None) -> tuple[Audit, ...]:
        """Audits in order of their numbers. Raises BrokenChain and ForgeError."""
        wanted = self.numbers() if numbers is None else sorted(set(numbers))
        return tuple(self._read(number)[1] for number in wanted)

    @refusals()
    def begin(self, audit: Audit) -> None:
        """Make the chain of an audit. Raises Conflict when its number is not above all others."""
        if audit.number <= max(self.numbers(), default=0):
            raise Conflict(f"Audit {audit.number} is not new: another bot began one.")
        event = Began(
            at=self._now(),
            number=audit.number,
            runner_class=audit.runner_class,
            winners=tuple(Pair(**vars(winner)) for winner in audit.winners),
            runs=tuple(Plan.of(run) for run in audit.runs),
        )
        tip = self._commit(event, None, f"audit-began: audit {audit.number}")
        try:
            change = Create(_ref(audit.number), tip)
            self._repository.update_refs([change], f"forge: audit {audit.number}")
        except RefMoved as error:
            raise Conflict(str(error)) from error

    @refusals()
    def record(self, number: int, index: int, result: Mapping[str, Any]) -> None:
        """Append a result. Raises Conflict and ForgeError."""
        event = AuditMeasured(at=self._now(), index=index, result=dict(result))
        for _ in range(TRIES):
            tip, audit = self._read(number)
            if index in audit.results:
                raise Conflict(f"Run {index} of audit {number} has its result.")
            _apply(audit, event)
            new = self._commit(event, tip, f"audit-measured: run {index} of audit {number}")
            try:
                change = Update(_ref(number), new, tip)
                self._repository.update_refs([change], f"forge: audit {number}")
            except RefMoved:
                continue
            return
        raise Conflict(f"Too many others write to audit {number} at this moment. Try again.")

    def _read(self, number: int) -> tuple[str, Audit]:
        ref = _ref(number)
        tip = self._repository.ref(ref)
        if tip is None:
            raise ForgeError(f"There is no audit {number}.")
        commits = self._repository.git.text("rev-list", "--reverse", tip, "--").split()
        names = [f"{commit}:{EVENT_FILE}".encode() for commit in commits]
        audit: Audit | None = None
        found = read_objects(self._repository.git, names, MAXIMUM_BYTES)
        for commit, entry in zip(commits, found, strict=True):
            try:
                if entry is None or entry.data is None:
                    raise InvalidEvent(f"It has no readable file {EVENT_FILE}.")
                audit = _apply(audit, _EVENT.validate_json(entry.data))
            except ValidationError as error:
                raise BrokenChain(ref, commit, explain(error)) from error
            except InvalidEvent as error:
                raise BrokenChain(ref, commit, str(error)) from error
        if audit is None or audit.number != number:
            raise BrokenChain(ref, tip, f"It is not about audit {number}.")
        return tip, audit

    def _commit(self, event: AuditEvent, parent: str | None, subject: str) -> str:
        blob = self._repository.write_blob(encode(event))
        tree = self._repository.write_tree({EVENT_FILE: ("100644", blob)})
        parents = [parent] if parent else []
        return self._repository.commit_tree(tree, parents, f"{subject}\n", self._bot, event.at)


def _apply(audit: Audit | None, event: AuditEvent) -> Audit:
    """The audit after one more event. Raises InvalidEvent."""
    if isinstance(event, Began):
        if audit is not None:
            raise InvalidEvent("It was begun already.")
        winners = tuple(AuditedWinner(**dict(pair)) for pair in event.winners)
        runs = tuple(plan.run() for plan in event.runs)
        return Audit(event.number, event.runner_class, winners, runs, {}, event.at)
    if audit is None:
        raise InvalidEvent(f"The first event must be 'audit-began', not '{event.kind}'.")
    if event.index >= len(audit.runs):
        raise InvalidEvent(f"Audit {audit.number} has {len(audit.runs)} runs, no {event.index}.")
    if event.index in audit.results:
        raise InvalidEvent(f"Run {event.index} of audit {audit.number} has a result already.")
    return replace(audit, results={**audit.results, event.index: event.result})


def _ref(number: int) -> str:
    return f"{NAMESPACE}/{number}"
