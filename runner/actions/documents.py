"""What goes from job to job of measure.yml, and from it to the bot.

The bot asks for an attempt (`Asked`, the inputs of the workflow), the gate states what must come
back (`Expected`), and the report hands out what did (`Published`). All of it is strict: an
unknown key, a wrong type or too many bytes is an error.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from runner.errors import RequestError
from runner.request import Seed, TreeId
from runner.result import Measurement
from runner.settings_file import explain

MOST_RUNS = 64
MOST_BYTES = 8 << 20
"""Of a result on its way: a measurement has at most some tens of kilobytes."""
ARTIFACT = "measurement"
"""The name of the artifact with the published document."""
DOCUMENT = "measurement.json"
"""The file in it."""

REVIEW_EDITS = (
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on PullRequestReview { id lastEditedAt } } }"
)
"""Asks GitHub's GraphQL API which reviews were edited, by node ids: its other API does not tell."""

Attempt = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}\.[1-9][0-9]{0,8}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Exact(BaseModel):
    """Frozen, converts nothing, and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AskedRun(Exact):
    """One run of an attempt."""

    index: Annotated[int, Field(ge=0, lt=1_000)]
    """Which of the attempt's runs it is: those that have a result are not asked for again."""
    side: Literal["candidate", "baseline"]
    seed: Seed
    smoke: bool


class Asked(Exact):
    """The inputs of measure.yml: runs of an attempt, in the order in which to make them."""

    pr: Annotated[int, Field(ge=1, le=999_999_999)]
    head_sha: TreeId
    base_sha: TreeId
    attempt: Attempt
    runs: Annotated[tuple[AskedRun, ...], Field(min_length=1, max_length=MOST_RUNS, strict=False)]

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.attempt.partition(".")[0] != str(self.pr):
            raise ValueError(f"attempt must be one of pull request {self.pr}")
        if len({run.index for run in self.runs}) != len(self.runs):
            raise ValueError("every run must have an index of its own")
        return self


class Expected(Asked):
    """What the gate let through: the same, with the digests of what is measured."""

    base_branch: Annotated[str, StringConstraints(min_length=1, max_length=250)]
    candidate: Digest
    baseline: Digest
    harness: Digest
    scorer: Digest


class Published(Exact):
    """What the report job found to be right. `measurements` are in the order of `runs`."""

    version: Literal[1] = 1
    expected: Expected
    measurements: tuple[Measurement, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        if len(self.measurements) != len(self.expected.runs):
            raise ValueError("there must be one measurement for each run")
        return self


def title_of(pr: int, attempt: str) -> str:
    """How GitHub names the run of an attempt (`run-name` in measure.yml)."""
    return f"Measure #{pr}, attempt {attempt}"


def parse_published(data: bytes) -> Published:
    """Read a published document. Raises RequestError, which says what is wrong with it."""
    if len(data) > MOST_BYTES:
        raise RequestError(f"The measurement has more than {MOST_BYTES:,} bytes.")
    try:
        return Published.model_validate_json(data)
    except ValidationError as error:
        raise RequestError(explain(error, DOCUMENT)) from None
