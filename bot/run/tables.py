"""The table of bot.toml about how much goes on at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from runner.tables import Table


class RunTable(Table):
    """How much `python -m bot run` does at once. `step` does one thing after another. See
    docs/loop.md."""

    max_in_flight: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Experiments that are open or being thought of at the same time. Without it: as many as it
    takes that no GPU waits for a proposal, by the measured times of proposals and runs. Where
    measuring is the work of workflows on GitHub, without it: two."""
    gpus: Annotated[tuple[str, ...], Field(min_length=0, max_length=64)] = ()
    """The GPUs to use, as in `CUDA_VISIBLE_DEVICES`: indices or uuids. Without it: all that are
    visible and like the first one."""

    @field_validator("gpus")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not one or not all(sign.isalnum() or sign in "-/" for sign in one):
                raise ValueError(f"{one[:50]!r} is no index or uuid of a GPU")
        if len(set(value)) != len(value):
            raise ValueError("a GPU is named twice")
        return value
