"""How a conversation stands after an answer, as data: all that is needed to go on with it.

The messages are kept as they were sent and as they came: the interface wants thinking, its
signatures and the results of its own tools back unchanged. What does not belong to this one
conversation (instructions, tools, model) is not kept, but must be the same still.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.model import Source
from bot.proposers.claude.prompt import Block, Request

_STATE = "state.json"
MOST_SOURCES = 20
_Count = Annotated[int, Field(ge=0, le=10**9)]


class Unusable(Exception):
    """What was kept of a conversation cannot be gone on with; the message says why."""


class Counts(BaseModel):
    """What a conversation has used up of its bounds, and the pages that it has seen."""

    model_config = ConfigDict(extra="forbid")

    turns: _Count = 0  # answers asked for
    mistakes: _Count = 0  # tool calls that could not be carried out
    reminders: _Count = 0  # answers that ended without handing in
    broken: _Count = 0  # answers that were cut off or could not be read
    calls: _Count = 0
    short: bool = False  # whether it began anew with a short account
    sources: Annotated[list[Source], Field(max_length=MOST_SOURCES)] = []


class State(BaseModel):
    """A conversation without its messages.

    `mark` is that of its fence, `form` stands for what is the same in each of its requests, `files`
    are those that the model has changed, `near` the experiments that it was shown for being alike.
    `input_tokens` were counted for a request that was estimated to have `estimated`.
    """

    model_config = ConfigDict(extra="forbid")

    mark: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    form: str
    counts: Counts
    files: dict[str, str]
    near: set[_Count]
    input_tokens: _Count
    estimated: _Count


def form(request: Request) -> str:
    """Stands for what all requests of a conversation have in common."""
    common = [request.model, request.effort, request.system, request.tools]
    return hashlib.sha256(json.dumps(common).encode()).hexdigest()


def pack(state: State, messages: list[Block]) -> Mapping[str, bytes]:
    """The parts that are kept. A message that is there already is the same part again."""
    said = {f"message-{at:04}.json": one for at, one in enumerate(messages)}
    values: dict[str, object] = {_STATE: state.model_dump(mode="json"), **said}
    return {name: json.dumps(value).encode() for name, value in values.items()}


def unpack(parts: Mapping[str, bytes]) -> tuple[State, list[Block]]:
    """State and messages, as they were packed. Raises Unusable."""
    try:
        values: dict[str, Any] = {name: json.loads(data) for name, data in parts.items()}
        json.dumps(values, ensure_ascii=False).encode()  # half a character cannot be sent
        state = State.model_validate(values.pop(_STATE, None))
    except (ValidationError, ValueError, RecursionError):
        raise Unusable("what was kept of it is damaged") from None
    messages = [values[name] for name in sorted(values)]
    roles = [one.get("role") if isinstance(one, dict) else None for one in messages]
    turns = ["user", "assistant"] * (len(messages) // 2 + 1)
    if not messages or roles != turns[: len(messages)] or not all(map(_is_sound, messages)):
        raise Unusable("what was kept of it is damaged")
    return state, messages


def _is_sound(message: Block) -> bool:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    typed = all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in blocks)
    return bool(blocks) and typed and set(message) == {"role", "content"}
