"""The bot's comments: what it says to people, and its record of what happened, as fenced JSON.

Every comment of the bot begins with a marker of its own: what kind it is, a key by which it is
found again when the answer to a write was lost, and its place among the parts of a long one.
Events are those of the embedded forge, told apart from the text by their place at the end.
Only the account's own comments are read so; anybody else's are nothing but text.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.forge.base import ForgeError
from bot.forge.events import Event, InvalidEvent, Opened, from_json, to_json
from bot.forge.github.answers import IssueComment

MOST_BYTES = 65_535
MOST_PARTS = 20
_TEXT_BYTES = 40_000  # of a record's words for people
_MARK = re.compile(
    r"<!-- mergelab (comment|relay|record) ([0-9a-f]{16}) (\d{1,3})/(\d{1,3}) -->\r?\n"
)
_OPENER = "\n\n<details><summary>Machine data</summary>\n\n```json\n"
_CLOSER = "\n```\n\n</details>\n"
_CUT = "\n\n(cut here)"


class Kind(StrEnum):
    """What a comment of the account is."""

    COMMENT = "comment"  # the bot's own words
    RELAY = "relay"  # a person's words, sent through the bot's credential
    RECORD = "record"  # an event


@dataclass(frozen=True)
class Said:
    """A comment for people. `kind` is None for one that the bot did not write."""

    comment: IssueComment
    body: str
    kind: Kind | None


@dataclass(frozen=True)
class Recorded:
    """An event, and the words for people in the comment that holds it, perhaps among others."""

    id: int  # of the comment that completed it
    key: str
    event: Event
    text: str


def new_key() -> str:
    """The key of a comment that is about to be written."""
    return secrets.token_hex(8)


def plain(text: str) -> str:
    """`text` as GitHub can keep it: no lone surrogates, no null characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def clipped(text: str, most: int) -> str:
    """At most `most` bytes of `text`, cut between characters, and saying so."""
    data = text.encode()
    if len(data) <= most:
        return text
    return data[: most - len(_CUT)].decode("utf-8", "ignore") + _CUT


def said_body(kind: Kind, key: str, text: str) -> str:
    """The body of a comment for people."""
    mark = _mark(kind, key, 1, 1)
    return mark + clipped(plain(text), MOST_BYTES - len(mark))


def record_bodies(key: str, text: str, events: Sequence[Event]) -> list[str]:
    """The bodies of the comments that keep events. Raises InvalidEvent, ForgeError.

    Mostly one is enough; what is long goes on in further ones and counts when all are there.
    """
    data = "\n".join(_line(event) for event in events)
    text = clipped(plain(text), _TEXT_BYTES)
    room = MOST_BYTES - len(_mark(Kind.RECORD, key, 999, 999)) - len(_OPENER) - len(_CLOSER)
    chunks = _chunks(data, room - len(text.encode()), room - len("Continued."))
    if len(chunks) > MOST_PARTS:
        raise ForgeError(
            f"What is to be kept has {len(data):,} characters, which do not fit into {MOST_PARTS}"
            " comments. Nothing was written."
        )
    return [
        _mark(Kind.RECORD, key, place, len(chunks))
        + (text if place == 1 else "Continued.")
        + _OPENER
        + chunk
        + _CLOSER
        for place, chunk in enumerate(chunks, 1)
    ]


def kind_of(comment: IssueComment) -> Kind | None:
    """What a comment of the account is; None for one that the bot did not write."""
    mark = _MARK.match(comment.body)
    return Kind(mark[1]) if mark else None


def read(comments: Iterable[IssueComment], own: int) -> list[Said | Recorded]:
    """What comments say, oldest first; `own` is the numeric id of the bot's account.

    A record whose comment was edited afterwards is not believed; that of the opening is, for it
    holds words and no results, and without it the experiment would be lost.
    """
    parts: dict[str, dict[int, tuple[IssueComment, str, str]]] = {}
    found: list[Said | Recorded] = []
    for comment in sorted(comments, key=lambda each: each.id):
        body = comment.body
        mark = _MARK.match(body) if comment.user.id == own else None
        if mark is None:
            found.append(Said(comment, body, None))
            continue
        rest, kind = body[mark.end() :], Kind(mark[1])
        if kind is not Kind.RECORD:
            found.append(Said(comment, rest, kind))
            continue
        text, opener, data = rest.replace("\r\n", "\n").rpartition(_OPENER)
        if not opener or not data.endswith(_CLOSER):
            continue  # somebody has edited it away
        known = parts.setdefault(mark[2], {})
        known.setdefault(int(mark[3]), (comment, text, data.removesuffix(_CLOSER)))
        if len(known) == int(mark[4]):
            found += _complete(comment.id, mark[2], known)
    return found


def part(comments: Sequence[IssueComment], own: int, key: str, place: int) -> IssueComment | None:
    """The comment with one part of what was written with `key`, if it is there."""
    for comment in comments:
        mark = _MARK.match(comment.body) if comment.user.id == own else None
        if mark and (mark[2], int(mark[3])) == (key, place):
            return comment
    return None


def _complete(
    at: int, key: str, parts: dict[int, tuple[IssueComment, str, str]]
) -> list[Said | Recorded]:
    ordered = [parts[place] for place in sorted(parts)]
    try:
        lines = "".join(data for _, _, data in ordered).split("\n")
        events = [from_json(line.encode("utf-8", "replace")) for line in lines]
    except InvalidEvent:
        return []
    if any(comment.edited for comment, _, _ in ordered):
        events = [event for event in events if isinstance(event, Opened)]
    return [Recorded(at, key, event, ordered[0][1]) for event in events]


def _line(event: Event) -> str:
    return json.dumps(json.loads(to_json(event)), ensure_ascii=False)


def _mark(kind: Kind, key: str, place: int, parts: int) -> str:
    return f"<!-- mergelab {kind} {key} {place}/{parts} -->\n"


def _chunks(data: str, first: int, others: int) -> list[str]:
    """`data` in pieces of at most that many bytes, cut between characters."""
    pieces: list[str] = []
    rest = data.encode()
    while rest:
        room = others if pieces else first
        end = min(room, len(rest))
        while end < len(rest) and rest[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        # A piece must not begin or end with what a forge might trim.
        while 0 < end < len(rest) and (
            rest[end - 1 : end].isspace() or rest[end : end + 1].isspace()
        ):
            end -= 1
        pieces.append(rest[:end].decode())
        rest = rest[end:]
    return pieces
