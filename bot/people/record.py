"""What the bot notes in its own comments, so that there is no other state: one hidden line each.

A comment of the bot's may begin with an HTML comment that holds JSON: which comment it answers,
which orders it took from there, what it has said of which head. What people, other bots and
quotations write in that form counts for nothing.
"""

from __future__ import annotations

import json
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.forge.base import Author, Comment
from bot.people.commands import Verb

_HIDDEN = re.compile(r"\A<!-- mergelab (\{.{1,60000}\}) -->\n")
# JSON that can neither end the HTML comment nor be broken by a line end.
_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "-": "\\u002d"})


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Order(_Strict):
    """A command that the bot took from a person who might give it.

    `head` and `attempts` tell how the experiment stood then. `by` is the person's name.
    """

    verb: Verb
    text: str = ""
    by: str = ""
    head: str = ""
    attempts: Annotated[int, Field(ge=0)] = 0


class Record(_Strict):
    """What one comment of the bot's is on record for."""

    answers: str | None = None
    """The id of the comment that it answers."""
    also: tuple[str, ...] = ()
    """The ids of others that it answers as well; nothing was taken from there."""
    orders: tuple[Order, ...] = ()
    """What was taken from there, in order."""
    reviewed: str | None = None
    """The head that it reviews."""
    awaits: str | None = None
    """The head for which it asks for an approval."""
    reopened: bool = False
    """Whether it says that the verdict stands, whoever opens the pull request again."""


def hidden(record: Record) -> str:
    """The line with which a comment on record begins."""
    text = json.dumps(record.model_dump(mode="json", exclude_defaults=True))
    return f"<!-- mergelab {text.translate(_ESCAPED)} -->\n"


def is_own(author: Author, bot: Author) -> bool:
    """Whether the bot itself wrote it, not a person and not another bot."""
    return author.is_bot and author.id == bot.id


def record_of(comment: Comment, bot: Author) -> Record | None:
    """What a comment is on record for; None when it is not the bot's, or for nothing."""
    match = _HIDDEN.match(comment.body) if is_own(comment.author, bot) else None
    if match is None:
        return None
    try:
        return Record.model_validate_json(match[1])
    except ValidationError:
        return None  # a newer version's


def visible(body: str) -> str:
    """A comment as people see it."""
    return _HIDDEN.sub("", body, count=1)
