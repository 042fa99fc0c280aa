"""The model's tools: what they take, as strict schemas, and how their input is checked.

The input comes from a model: it is checked here whatever the interface promises.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bot.proposers.base import PhaseGrant
from bot.text.hygiene import clean, name

MOST_CHARACTERS = 2_000_000
"""No text of a model's tool input may be longer; files have tighter limits of their own."""


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Text = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)]
_Line = Annotated[str, StringConstraints(min_length=1, max_length=150)]
_Paragraph = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
_Notes = Annotated[str, StringConstraints(max_length=20_000)]


class View(_Input):
    """Shows one of the files as it is now, with your edits."""

    path: _Text = Field(description="one of the files that you may change")
    first_line: int | None = Field(description="from 1; null: from the beginning")
    last_line: int | None = Field(description="null: to the end")


class Edit(_Input):
    """Replaces an exact piece of text that occurs exactly once in the file."""

    path: _Text = Field(description="one of the files that you may change")
    old: _Text = Field(description="the text as it stands in the file, with its indentation")
    new: _Text = Field(description="what takes its place; empty to delete")


class Write(_Input):
    """Replaces the whole content of a file."""

    path: _Text = Field(description="one of the files that you may change")
    content: _Text = Field(description="the complete new text")


class History(_Input):
    """Looks into earlier experiments: searches them, or shows one of them."""

    query: _Text | None = Field(
        description="words to look for in titles, reasons and changed lines; null with a number"
    )
    number: int | None = Field(description="an experiment; null to search")
    show: Literal["summary", "diff", "curve"] = Field(
        description="of one experiment: what became of it, its change, or its training curve"
    )


class Check(_Input):
    """Tells whether your change is allowed, compiles and is new. It runs nothing."""


class Submit(_Input):
    """Hands in your change as an experiment. This ends your work."""

    title: _Line = Field(description="the hypothesis: one imperative line, at most 150 characters")
    rationale: _Paragraph = Field(description="why it should help, from the evidence")
    expected: _Paragraph = Field(description="the effect that you expect on the metric")
    falsified_by: _Paragraph = Field(description="the result that would refute it")
    notes: _Notes = Field(
        description="your beliefs as the scratchpad should have them from now on, one a line, all "
        "of them; empty to leave them as they are"
    )


Call = View | Edit | Write | History | Check | Submit
_TOOLS: dict[str, type[_Input]] = {
    "view": View,
    "edit": Edit,
    "write": Write,
    "history": History,
    "check": Check,
    "submit": Submit,
}


class InvalidInput(Exception):
    """A tool call that cannot be carried out as it stands; the message is for the model."""


def parse(tool: str, value: object, granted: frozenset[str]) -> Call:
    """The checked input of a tool call.

    Raises:
        InvalidInput: there is no such tool in this phase, or its input is wrong. Whatever
            `value` is, nothing else is raised.
    """
    model = _TOOLS.get(tool) if tool in granted or tool == "submit" else None
    if model is None:
        offered = ", ".join(offered_tools(granted))
        raise InvalidInput(f"There is no tool {name(tool, 60)!r}. There are: {offered}.")
    try:
        parsed = model.model_validate(value)
    except ValidationError as error:
        raise InvalidInput(f"Invalid input of {tool}: {_explain(error)}") from None
    except RecursionError:
        raise InvalidInput(f"Invalid input of {tool}: nested too deeply") from None
    return parsed  # type: ignore[return-value]  # every model of _TOOLS is one of Call


def offered_tools(granted: frozenset[str]) -> tuple[str, ...]:
    """The names of our own tools in a phase; handing in is always possible."""
    return tuple(tool for tool in _TOOLS if tool in granted or tool == "submit")


def definitions(phase: PhaseGrant, max_web_uses: int) -> list[dict[str, Any]]:
    """The tools as the interface wants them; those of the server only where a phase grants them."""
    tools: list[dict[str, Any]] = [
        {
            "name": tool,
            "description": " ".join((_TOOLS[tool].__doc__ or "").split()),
            "input_schema": schema(_TOOLS[tool]),
            "strict": True,
        }
        for tool in offered_tools(phase.tools)
    ]
    if not phase.web_domains:
        return tools
    shared = {
        "allowed_domains": list(phase.web_domains),
        "max_uses": max_web_uses,
        "allowed_callers": ["direct"],
    }
    searches = "web_search" in phase.tools
    if searches:
        tools.append({"type": "web_search_20260318", "name": "web_search", **shared})
    if "web_fetch" in phase.tools:
        # Only pages that a search found: an address that somebody planted in a log or a comment
        # must not be called, it could carry what the model knows to a stranger.
        found: dict[str, Any] = {"type": "none"}
        if searches:
            tool = {"type": "tool_reference", "name": "web_search"}
            found = {"type": "only", "tools": [tool]}
        sources = {
            "user_input": {"type": "all" if not searches else "none"},
            "client_tool_results": {"type": "none"},
            "server_tool_results": found,
        }
        tools.append(
            {
                "type": "web_fetch_20260318",
                "name": "web_fetch",
                **shared,
                "max_content_tokens": 20_000,
                "citations": {"enabled": True},
                "url_sources": sources,
            }
        )
    return tools


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """The strict JSON schema of a tool's input: every key required, no others allowed.

    Bounds of lengths are left out, as strict schemas do not know them; `parse` has them.
    """
    return {
        "type": "object",
        "properties": {
            key: {**_type(field.annotation), "description": field.description or ""}
            for key, field in model.model_fields.items()
        },
        "required": list(model.model_fields),
        "additionalProperties": False,
    }


def _type(annotation: Any) -> dict[str, Any]:
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [_type(kind)["type"] for kind in get_args(annotation) if kind is not type(None)]
        return {"type": [*kinds, "null"]}
    return {"type": {str: "string", int: "integer"}[annotation]}


def _explain(error: ValidationError) -> str:
    problems = []
    for detail in error.errors(include_url=False, include_input=False)[:5]:
        place = ".".join(clean(str(part))[:60] for part in detail["loc"]) or "the input"
        problems.append(f"{place}: {detail['msg']}")
    return "; ".join(problems)
