"""Text from outside made harmless where it is shown: on one line, in Markdown, in a terminal.

Titles, comments, names, paths and messages are written by models, candidates and strangers.
Every place that shows such text passes it through one of these. Pure; nothing here raises.
"""

from __future__ import annotations

import re

from runner.characters import is_hidden
from runner.text import clean_text

_CUT = "…"
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what stood between words
# `@name`, but not the @ of an address or of a metric such as recall@5.
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)")
# Words with which a forge closes what is named after them: "fixes #12", "closes o/r#12".
_CLOSING = re.compile(
    r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b(\W{1,5}\S{0,200}?(?:#|gh-|/issues/|/pull/))(?=\d)",
    re.IGNORECASE,
)
# What makes a line a heading, quotation, list, fence, rule or row of a table.
_BLOCK = re.compile(r"(?=[#>|]|[-+*=_~`](?:[-+*=_~` ]|$))")
_NUMBERED = re.compile(r"(\d{1,9})(?=[.)](?:\s|$))")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_LINK = re.compile(r"\](?=[(\[])")


def one_line(text: str, limit: int = 200) -> str:
    """`text` on one line of at most `limit` characters, without any that hide or reorder.

    Line ends, control characters and runs of spaces become one space.
    """
    text = _BREAKS.sub(" ", text)
    line = " ".join(_visible(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + _CUT


def quiet(text: str) -> str:
    """`text` that calls nobody and closes nothing when a forge reads it in a commit message."""
    return _CLOSING.sub(r"\1\2 ", _MENTION.sub("@ ", text))


def inert_markdown(text: str, limit: int = 1_500) -> str:
    """`text` as one line of Markdown that is only text, wherever in a document it stands.

    No HTML, images, links with another name than their address, mentions, closing keywords,
    headings, lists or fences. At most `limit` characters are taken.
    """
    line = _ENTITY.sub("&amp;", quiet(one_line(text, limit)))
    line = line.replace("<", "&lt;").replace("![", "!\\[")
    line = _LINK.sub("\\]", line)
    if _BLOCK.match(line):
        return "\\" + line
    numbered = _NUMBERED.match(line)
    return f"{numbered[1]}\\{line[numbered.end() :]}" if numbered else line


def inert_cell(text: str, limit: int = 200) -> str:
    """`inert_markdown` for a cell of a Markdown table."""
    return re.sub(r"(\\*)\|", r"\1\1\\|", inert_markdown(text, limit))


def for_terminal(text: str) -> str:
    """`text` without control sequences and characters that hide or reorder; lines stay lines."""
    if text.isascii() and text.isprintable():
        return text
    raw = text.encode("utf-8", "replace")
    return _visible(clean_text(raw, 4 * len(raw)))  # a tab may become four spaces


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(character for character in text if not is_hidden(character))
