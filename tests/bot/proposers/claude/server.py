"""A local server that speaks the Messages API, streaming included, from a script of answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Block = dict[str, Any]
Reply = Callable[["Handler", dict[str, Any]], None]
KEY = "sk-ant-api03-" + "PLANTED0" * 5


@dataclass
class Usage:
    """What an answer says it used."""

    input_tokens: int = 1_000
    output_tokens: int = 200
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    searches: int = 0
    fetches: int = 0

    def start(self) -> Block:
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": 1,
            "cache_creation_input_tokens": self.cache_creation_input_tokens,
            "cache_read_input_tokens": self.cache_read_input_tokens,
        }

    def end(self) -> Block:
        used: Block = {"output_tokens": self.output_tokens}
        if self.searches or self.fetches:
            used["server_tool_use"] = {
                "web_search_requests": self.searches,
                "web_fetch_requests": self.fetches,
            }
        return used


def text(words: str, citations: Sequence[Block] = ()) -> Block:
    block: Block = {"type": "text", "text": words}
    return {**block, "citations": list(citations)} if citations else block


def thinking(words: str = "hm") -> Block:
    return {"type": "thinking", "thinking": words, "signature": "c2ln"}


_counter = iter(range(1, 1_000_000))


def call(tool: str, **values: Any) -> Block:
    return {"type": "tool_use", "id": f"toolu_{next(_counter)}", "name": tool, "input": values}


def raw_call(tool: str, partial_json: str) -> Block:
    """A call whose input is exactly this text, JSON or not."""
    return {**call(tool), "raw": partial_json}


def events(
    blocks: Sequence[Block], stop: str | None, usage: Usage, **delta: Any
) -> Iterator[Block]:
    """The events of one streamed answer."""
    message: Block = {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m",
        "stop_reason": None, "stop_sequence": None, "usage": usage.start(),
    }  # fmt: skip
    yield {"type": "message_start", "message": message}
    yield {"type": "ping"}
    for index, block in enumerate(blocks):
        yield from _block(index, block)
    end = {"stop_reason": stop, "stop_sequence": None, **delta}
    yield {"type": "message_delta", "delta": end, "usage": usage.end()}
    yield {"type": "message_stop"}


def _block(index: int, block: Block) -> Iterator[Block]:
    kind = block["type"]
    deltas: list[Block] = []
    start = {key: value for key, value in block.items() if key != "raw"}
    if kind == "text":
        start = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        citations = block.get("citations", [])
        deltas += [{"type": "citations_delta", "citation": one} for one in citations]
    elif kind == "thinking":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind in ("tool_use", "server_tool_use"):
        start["input"] = {}
        written = block.get("raw", json.dumps(block["input"]))
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in _pieces(written)]
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _pieces(words: str) -> list[str]:
    return [words[at : at + 997] for at in range(0, len(words), 997)]


# ---------------------------------------------------------------------------------------------
# replies


def answer(
    *blocks: Block, stop: str | None = None, usage: Usage | None = None, **delta: Any
) -> Reply:
    """A complete answer; it stops for its tool calls if it has some."""
    has_calls = any(block["type"] == "tool_use" for block in blocks)
    reason = stop or ("tool_use" if has_calls else "end_turn")

    def reply(handler: Handler, request: dict[str, Any]) -> None:
        handler.stream(events(blocks, reason, usage or Usage(), **delta))

    return reply


def error(
    status: int, kind: str, message: str = "no", headers: Mapping[str, str] | None = None
) -> Reply:
    """An error instead of an answer."""

    def reply(handler: Handler, request: dict[str, Any]) -> None:
        body = {"type": "error", "error": {"type": kind, "message": message}}
        # The SDK's own retries must not make a test wait.
        handler.json(status, body, {"retry-after-ms": "1", **(headers or {})})

    return reply


def error_inside(kind: str, after: int = 4, message: str = "later") -> Reply:
    """An answer that ends with an error after so many events, as the service does it."""

    def reply(handler: Handler, request: dict[str, Any]) -> None:
        begun = list(events([text("I begin to wri")], "end_turn", Usage()))[:after]
        failure = {"type": "error", "error": {"type": kind, "message": message}}
        handler.stream([*begun, failure])

    return reply


def broken_off(*blocks: Block, after: int) -> Reply:
    """An answer whose connection ends after so many events."""

    def reply(handler: Handler, request: dict[str, Any]) -> None:
        handler.stream(list(events(blocks, "end_turn", Usage()))[:after])

    return reply


def lines(*written: str) -> Reply:
    """A stream with exactly these lines: what no service should ever send."""

    def reply(handler: Handler, request: dict[str, Any]) -> None:
        handler.begin_stream()
        handler.wfile.write("".join(f"{line}\n" for line in written).encode("utf-8", "replace"))

    return reply


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server

    def do_POST(self) -> None:
        """Take the next reply of the script."""
        length = int(self.headers.get("content-length", 0))
        request = json.loads(self.rfile.read(length))
        if self.path.startswith("/v1/messages/count_tokens"):
            self.server.script.counted.append(request)
            self.json(200, {"input_tokens": 4_321})
            return
        script = self.server.script
        script.requests.append(request)
        script.keys.append(self.headers.get("authorization", "").removeprefix("Bearer "))
        script.next_reply()(self, request)

    def json(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def stream(self, parts: Iterator[Block] | Sequence[Block]) -> None:
        self.begin_stream()
        data = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in parts)
        self.wfile.write(data.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@dataclass
class Script:
    """The replies that are left, and the requests that came. The last reply repeats."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    counted: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def told(self) -> str:
        """Everything that was ever sent to the model."""
        return json.dumps([self.requests, self.counted], ensure_ascii=False)


class Server(ThreadingHTTPServer):
    """The server; `url` is its address."""

    daemon_threads = True
    script: Script

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = Script()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"
