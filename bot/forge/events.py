"""What happens to a pull request, as JSON: one event is the payload of one commit.

Every forge keeps these. Version 1. Reading is strict: an unknown key, kind or version, a wrong
type, or too many bytes is an `InvalidEvent`. Text keeps every character but lone surrogates,
which UTF-8 cannot hold.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from bot.forge.base import Attempt, Author, Check, Conclusion, PlannedRun
from bot.model import Estimate, Purpose, Reason, Side, Verdict

MAXIMUM_BYTES = 16 * 1024 * 1024  # of one event; a result with its curve and log has far less

ObjectId = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
Seconds = Annotated[int, Field(ge=0, le=2**53)]
# JSON has no infinity, but an interval from one run is infinitely wide: "inf" stands for it.
Number = Annotated[
    float,
    Field(strict=False),
    PlainSerializer(lambda value: value if math.isfinite(value) else str(value)),
]


class InvalidEvent(ValueError):
    """The bytes are not an event that this version understands, or cannot become one."""


class Strict(BaseModel):
    """Frozen, converts nothing, and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Person(Strict):
    """`bot.forge.base.Author` as JSON."""

    name: str
    id: str
    is_bot: bool = False

    @classmethod
    def of(cls, author: Author) -> Person:
        """The person that `author` is."""
        return cls(name=author.name, id=author.id, is_bot=author.is_bot)

    def author(self) -> Author:
        """The type that the rest of the program uses."""
        return Author(self.name, self.id, self.is_bot)


class Judgement(Strict):
    """`bot.model.Verdict` as JSON."""

    class Interval(Strict):
        """`bot.model.Estimate` as JSON."""

        difference: Number
        low: Number
        high: Number
        level: Number
        candidate_mean: Number
        baseline_mean: Number
        candidate_runs: int
        baseline_runs: int
        degrees_of_freedom: Number

    reason: Reason
    explanation: str
    estimate: Interval | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> Judgement:
        """The judgement that `verdict` is."""
        known = verdict.estimate
        estimate = None if known is None else cls.Interval(**vars(known))
        return cls(reason=verdict.reason, explanation=verdict.explanation, estimate=estimate)

    def verdict(self) -> Verdict:
        """The type that the rest of the program uses."""
        known = self.estimate
        estimate = None if known is None else Estimate(**dict(known))
        return Verdict(self.reason, self.explanation, estimate)


class Plan(Strict):
    """`bot.forge.base.PlannedRun` as JSON."""

    side: Side
    tree: ObjectId
    seed: int
    purpose: Purpose

    @classmethod
    def of(cls, run: PlannedRun) -> Plan:
        """The plan that `run` is."""
        return cls(side=run.side, tree=run.tree, seed=run.seed, purpose=run.purpose)

    def run(self) -> PlannedRun:
        """The type that the rest of the program uses."""
        return PlannedRun(self.side, self.tree, self.seed, self.purpose)


class Base(Strict):
    """What every event says: the version of this schema, and when it happened."""

    version: Literal[1] = 1
    at: Seconds


class Opened(Base):
    """The pull request came to be."""

    kind: Literal["opened"] = "opened"
    number: Annotated[int, Field(ge=1)]
    branch: str
    head: ObjectId
    title: str
    body: str
    author: Person
    record: dict[str, Any]


class Commented(Base):
    """Somebody said something, perhaps about a line. The comment's id is that of the commit."""

    kind: Literal["commented"] = "commented"
    author: Person
    body: str
    path: str | None = None
    line: Annotated[int, Field(ge=1)] | None = None


class Labelled(Base):
    """The labels are now these."""

    kind: Literal["labelled"] = "labelled"
    labels: tuple[str, ...]


class Pushed(Base):
    """The branch has a new head, which contains the old one."""

    kind: Literal["pushed"] = "pushed"
    head: ObjectId
    author: Person


class Attempted(Base):
    """A measurement is asked for."""

    kind: Literal["attempted"] = "attempted"
    id: str
    base: ObjectId
    head: ObjectId
    merge_tree: ObjectId
    runs: tuple[Plan, ...]

    @classmethod
    def of(cls, attempt: Attempt, at: int) -> Attempted:
        """The event that asks for `attempt`."""
        return cls(
            at=at,
            id=attempt.id,
            base=attempt.base,
            head=attempt.head,
            merge_tree=attempt.merge_tree,
            runs=tuple(Plan.of(run) for run in attempt.runs),
        )


class Measured(Base):
    """One run of an attempt has its result."""

    kind: Literal["measured"] = "measured"
    attempt: str
    index: Annotated[int, Field(ge=0)]
    result: dict[str, Any]


class Checked(Base):
    """A completed check is shown."""

    kind: Literal["checked"] = "checked"
    attempt: str
    head: ObjectId
    conclusion: Conclusion
    title: str
    summary: str

    @classmethod
    def of(cls, check: Check, at: int) -> Checked:
        """The event that shows `check`."""
        return cls(at=at, **vars(check))

    def check(self) -> Check:
        """The type that the rest of the program uses."""
        return Check(self.attempt, self.head, self.conclusion, self.title, self.summary)


class Merged(Base):
    """The base branch moved from `base` to `commit`, which contains the head."""

    kind: Literal["merged"] = "merged"
    head: ObjectId
    base: ObjectId
    commit: ObjectId
    verdict: Judgement


class Closed(Base):
    """The pull request ended without a merge; the base branch moved to a ledger commit.

    `head` is what was judged, where the rest of the chain does not tell it (on GitHub).
    """

    kind: Literal["closed"] = "closed"
    head: ObjectId | None = None
    base: ObjectId
    commit: ObjectId
    verdict: Judgement


Event: TypeAlias = (
    Opened | Commented | Labelled | Pushed | Attempted | Measured | Checked | Merged | Closed
)

_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_json(event: Event) -> bytes:
    """An event as it is kept. Raises InvalidEvent for one that could not be read again."""
    return encode(event)


def encode(event: Base) -> bytes:
    """An event of any kind of chain as JSON. Raises InvalidEvent."""
    try:
        text = json.dumps(
            event.model_dump(mode="python"), ensure_ascii=False, allow_nan=False, indent=1
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(f"It cannot be written as JSON: {error}.") from error
    data = text.encode("utf-8", "replace") + b"\n"
    if len(data) > MAXIMUM_BYTES:
        raise InvalidEvent(f"It has {len(data):,} bytes; at most {MAXIMUM_BYTES:,} are kept.")
    return data


def from_json(data: bytes) -> Event:
    """The event that was kept. Raises InvalidEvent."""
    if len(data) > MAXIMUM_BYTES:
        raise InvalidEvent(f"It has {len(data):,} bytes; at most {MAXIMUM_BYTES:,} are read.")
    try:
        event = _EVENT.validate_json(data)
    except ValidationError as error:
        raise InvalidEvent(explain(error)) from error
    if "version" not in event.model_fields_set:
        raise InvalidEvent("version: Field required.")
    return event


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, without what the input said."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{place}: {first['msg']}."
