"""The tables of bot.toml about proposers that cost something, and about what they may cost."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from runner.tables import Table

Effort = Literal["low", "medium", "high", "xhigh", "max"]
MODEL = r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,99}$"
"""What a model id looks like."""
_Price = Annotated[float, Field(ge=0, le=10_000)]
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"
_ASSIGNMENT = r"^[A-Za-z_][A-Za-z0-9_]{0,99}=[^\x00]{0,4000}$"


class ClaudeTable(Table):
    """The proposer `claude`. Its key comes from the environment variable `ANTHROPIC_API_KEY`
    and from nowhere else. See docs/proposers.md."""

    model: Annotated[str, Field(pattern=MODEL)] = "claude-opus-5-5"
    """Any model id that the interface knows."""
    effort: Effort | None = None
    """How much the model thinks; the model's own default if not set."""
    max_turns: Annotated[int, Field(ge=1, le=200)] = 24
    """How many answers of the model one proposal may take."""
    max_output_tokens: Annotated[int, Field(ge=1_024, le=128_000)] = 32_000
    """The length of one answer in tokens, thinking included."""
    max_proposal_tokens: Annotated[int, Field(ge=10_000, le=100_000_000)] = 2_000_000
    """All tokens of one proposal together, those from the cache included."""
    max_web_uses: Annotated[int, Field(ge=1, le=50)] = 5
    """How many searches, and how many fetches, one answer may take where a phase allows them."""
    timeout_s: Annotated[float, Field(gt=0, le=3_600)] = 600
    """How long the connection may be silent, in seconds."""
    price_input: _Price | None = None
    """US dollars for a million input tokens, for a model whose price is not known here (or is
    another one for you). Only together with `price_output`."""
    price_output: _Price | None = None
    """The same for output tokens."""
    price_cache_write: _Price | None = None
    """The same for tokens written to the cache; 1.25 times `price_input` if not set."""
    price_cache_read: _Price | None = None
    """The same for tokens read from the cache; `price_input` if not set."""

    @model_validator(mode="after")
    def _prices_come_together(self) -> ClaudeTable:
        if (self.price_input is None) != (self.price_output is None):
            raise ValueError("price_input and price_output must be set together")
        others = (self.price_cache_write, self.price_cache_read)
        if self.price_input is None and any(price is not None for price in others):
            raise ValueError("prices of the cache need price_input and price_output")
        return self


class CommandTable(Table):
    """The proposer `command`: any coding agent's command line, run in the sandbox. See
    docs/proposers.md."""

    argv: Annotated[tuple[str, ...], Field(min_length=0, max_length=100)] = ()
    """The command line, its first word an absolute path. It is run in a folder with the files
    that it may edit and with `TASK.md`, which says what to do."""
    programs: Annotated[tuple[str, ...], Field(min_length=0, max_length=30)] = ()
    """Absolute paths of this machine that the command needs beside `/usr` and `/bin`: its own
    program and that program's interpreter. Shown to it read-only, at the same paths."""
    network: bool = False
    """Whether it gets the network: all of this machine's, local services included."""
    credentials: Annotated[tuple[str, ...], Field(min_length=0, max_length=20)] = ()
    """Names of environment variables that are handed to it. Nothing else of the environment is."""
    variables: Annotated[tuple[str, ...], Field(min_length=0, max_length=50)] = ()
    """Further variables for it, each as `NAME=value`, for example `PATH=/opt/node/bin:/usr/bin`."""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 900
    """When it is ended, in seconds. What it did until then is lost."""
    memory_gb: Annotated[float, Field(gt=0, le=4_096)] = 4
    """Main memory of all its processes together, in GiB."""
    usd_per_proposal: Annotated[float, Field(ge=0, le=10_000)] | None = None
    """What one run is assumed to cost, as the bot cannot see it. Needed when `caps.max_usd` is
    set. An edit much like an earlier experiment takes two runs."""

    @field_validator("argv")
    @classmethod
    def _starts_with_a_path(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and not PurePosixPath(value[0]).is_absolute():
            raise ValueError("the first word must be an absolute path")
        if any("\0" in word for word in value):
            raise ValueError("must not contain NUL characters")
        return value

    @field_validator("programs")
    @classmethod
    def _absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            path = PurePosixPath(one)
            if not path.is_absolute() or ".." in path.parts or str(path) != one or "\0" in one:
                raise ValueError(f"{one[:100]!r} is not a plain absolute path")
        return value

    @field_validator("credentials")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _all_match(value, _VARIABLE, "the name of an environment variable")

    @field_validator("variables")
    @classmethod
    def _assignments(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _all_match(value, _ASSIGNMENT, "of the form NAME=value")


class CapsTable(Table):
    """Hard limits over the whole history of the repository. A proposal that would pass one is
    not begun; a message says so. Raise the limit to go on."""

    max_usd: Annotated[float, Field(ge=0)] | None = None
    """US dollars for proposals, those included that were dropped or refused."""
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    """Tokens of every kind for proposals, likewise."""
    max_experiments: Annotated[int, Field(ge=0)] | None = None
    """Experiments, won, lost or open."""
    max_gpu_hours: Annotated[float, Field(ge=0)] | None = None
    """Hours of all sandboxed runs together, whatever the device."""


def _all_match(values: tuple[str, ...], pattern: str, what: str) -> tuple[str, ...]:
    for value in values:
        if not re.fullmatch(pattern, value, re.DOTALL):
            raise ValueError(f"{value[:50]!r} is not {what}")
    return values
