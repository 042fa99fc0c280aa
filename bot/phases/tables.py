"""`[[phase]]` of bot.toml, and the programme that holds where there is none."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from bot.proposers.base import LOCAL_TOOLS, WEB_TOOLS
from bot.proposers.tables import MODEL, Effort
from runner.tables import Table

Tool = Literal["view", "edit", "write", "history", "check", "web_search", "web_fetch"]
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+\Z"


class PhaseTable(Table):
    """A stretch of the programme with its own scope, tools and budget."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Its name: small letters, digits and hyphens."""
    scope: Annotated[str, Field(max_length=4_000)] = ""
    """What is to be tried in it, in words for the proposer. A section `## Phase: NAME` of
    program.md is added to it."""
    tools: Annotated[tuple[Tool, ...], Field(min_length=0, max_length=7)] = (
        "view",
        "edit",
        "write",
        "history",
        "check",
    )
    """What the proposer `claude` may use; handing in is always possible. `web_search` and
    `web_fetch` need `web_domains`."""
    web_domains: Annotated[tuple[str, ...], Field(min_length=0, max_length=50)] = ()
    """The domains that may be searched and read, subdomains included."""
    max_changed_lines: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Added plus removed lines of one proposal; no further limit if not set."""
    model: Annotated[str, Field(pattern=MODEL)] | None = None
    """The model of the proposer `claude` in this phase, instead of `claude.model`."""
    effort: Effort | None = None
    """How much that model thinks, instead of `claude.effort`."""
    min_effect: Annotated[float, Field(ge=0)] | None = None
    """The smallest improvement worth merging in this phase, instead of `verdict.min_effect`."""
    max_experiments: Annotated[int, Field(ge=1)] | None = None
    """So many experiments, and the next phase begins."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """So many experiments in a row without a win, and the next phase begins."""

    @field_validator("web_domains")
    @classmethod
    def _are_domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not re.match(_DOMAIN, one):
                raise ValueError(f"{one[:80]!r} is no domain, for example arxiv.org")
        return value

    @model_validator(mode="after")
    def _web_needs_domains(self) -> PhaseTable:
        if bool(WEB_TOOLS & set(self.tools)) != bool(self.web_domains):
            raise ValueError("web_search or web_fetch in `tools` and `web_domains` need each other")
        return self

    @property
    def granted(self) -> frozenset[str]:
        """The tools by the names that proposers know."""
        return frozenset(self.tools) | (LOCAL_TOOLS & {"submit"})


DEFAULT_PROGRAMME = (
    PhaseTable(
        name="hyperparameters",
        scope=(
            "Tune what is there: learning rate and its schedule, batch size, widths, depths, "
            "temperatures, weights of losses, augmentation strengths. No new parts."
        ),
        max_changed_lines=20,
        patience=15,
    ),
    PhaseTable(
        name="architecture",
        scope=(
            "Change how it is built: layers, normalisation, pooling, loss terms, optimiser, data "
            "flow, numerical precision, speed. One part at a time."
        ),
        max_changed_lines=200,
        patience=15,
    ),
    PhaseTable(
        name="moonshot",
        scope=(
            "Small steps are exhausted. Try a bold idea that could change the picture: another "
            "formulation, another objective, another way to spend the time of training."
        ),
    ),
)
"""The programme where bot.toml has no `[[phase]]`. The last phase goes on without end."""
