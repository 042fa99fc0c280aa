"""Reads one streamed answer of the interface into plain data, and knows what it has cost so far.

What comes is whatever the service sends: nothing of it is checked here but that it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.history.cost import Cost
from bot.model import Source
from bot.proposers.claude.prompt import Block
from bot.text.hygiene import name

if TYPE_CHECKING:  # only `api` imports the SDK
    from anthropic.lib.streaming import MessageStream


@dataclass(frozen=True)
class ToolCall:
    """A tool call as it came: nothing of it is checked."""

    id: str
    tool: str
    input: object


@dataclass(frozen=True)
class Answer:
    """One complete answer. `blocks` go back to the interface unchanged; `usage` has no dollars."""

    blocks: list[Block]
    calls: tuple[ToolCall, ...]
    stop: str
    usage: Cost
    refusal: str = ""
    sources: tuple[Source, ...] = ()


class BrokeOff(Exception):
    """The answer ended where no answer ends."""


class Reading:
    """Reads one stream; knows what it has cost so far, however it ends."""

    def __init__(self, most_characters: int) -> None:
        self._stream: MessageStream[None] | None = None
        self._ended = False
        self._characters = 0
        self._most = most_characters

    @property
    def begun(self) -> bool:
        """Whether there is a stream to read."""
        return self._stream is not None

    def read(self, stream: MessageStream[None]) -> Iterator[str]:
        """Read to the end; yields words for a person."""
        self._stream = stream
        for event in stream:
            if event.type == "message_stop":
                self._ended = True
            elif event.type == "content_block_start":
                yield _doing(event.content_block)
            elif event.type == "content_block_delta":
                self._characters += _length(event.delta)
                if self._characters > self._most:
                    raise BrokeOff("the answer was longer than it may be and was cut off")
        if not self._ended:
            raise BrokeOff("the answer ended in the middle")

    def answer(self) -> Answer:
        """The whole answer."""
        message = self._message()
        if message is None or message.stop_reason is None:
            raise BrokeOff("the answer ended without a reason to stop")
        details = message.stop_details
        blocks = [
            _fit_to_send(block.to_dict(mode="json", warnings=False)) for block in message.content
        ]
        blocks = [block for block in blocks if block.get("text") != ""]
        return Answer(
            blocks=blocks,
            calls=tuple(
                ToolCall(str(block.id), str(block.name), block.input)
                for block in message.content
                if block.type == "tool_use"
            ),
            stop=str(message.stop_reason),
            usage=self.usage(),
            refusal=name(str(details.category or "no category")) if details else "",
            sources=tuple(_sources(blocks)),
        )

    def usage(self) -> Cost:
        """What was reported; the length of what has come where the report is not complete."""
        message = self._message()
        if message is None:
            return Cost()
        usage = message.usage
        output = usage.output_tokens or 0
        if not self._ended:
            output = max(output, self._characters // 3)
        web = usage.server_tool_use
        return Cost(
            input_tokens=usage.input_tokens or 0,
            output_tokens=output,
            cache_write_tokens=usage.cache_creation_input_tokens or 0,
            cache_read_tokens=usage.cache_read_input_tokens or 0,
            web_searches=web.web_search_requests if web else 0,
            web_fetches=web.web_fetch_requests if web else 0,
            calls=1,
        )

    def _message(self) -> Any:
        try:
            return self._stream.current_message_snapshot if self._stream else None
        except AssertionError:
            return None  # nothing has come yet


def _fit_to_send(block: Block) -> Block:
    """A block as the interface takes it back: the input of a call must be an object."""
    if block.get("type") == "tool_use" and not isinstance(block.get("input"), dict):
        return {**block, "input": {}}
    return block


def _doing(block: Any) -> str:
    kind = getattr(block, "type", "")
    if kind in ("tool_use", "server_tool_use"):
        return name(str(getattr(block, "name", "a tool")), 40)
    return "thinking" if "thinking" in kind else "writing"


def _length(delta: Any) -> int:
    texts = (getattr(delta, field, None) for field in ("text", "thinking", "partial_json"))
    return sum(len(text) for text in texts if isinstance(text, str))


def _sources(blocks: list[Block]) -> Iterator[Source]:
    """Pages that were fetched or are cited, from anywhere in an answer."""
    for block in blocks:
        if block.get("type") == "web_fetch_tool_result":
            content = block.get("content")
            if isinstance(content, dict) and isinstance(content.get("url"), str):
                yield Source(content["url"], _title(content.get("content")))
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            if isinstance(citation, dict) and isinstance(citation.get("url"), str):
                yield Source(citation["url"], str(citation.get("title") or ""))


def _title(document: object) -> str:
    return str(document.get("title") or "") if isinstance(document, dict) else ""
