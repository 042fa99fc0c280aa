"""Commands in comments: `/bot hold`, one on a line of its own. Pure.

A comment is Markdown, and read as such: what stands in a quotation, a list, a heading, a
table, code of any kind, a link or HTML is talk about commands, not one. Callers:
`bot.people.inbox` reads comments, `bot.proposing.background` leaves commands out of remarks,
the gate of measure.yml asks for approvals (`bot.people.checkapproval`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from bot.text.plain import one_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

PREFIX = "/bot"
MOST_COMMANDS = 10
"""So many commands of one comment are looked at."""
LONGEST_COMMENT = 65_536
"""So many characters of a comment are looked at; GitHub allows no more."""
LONGEST_TEXT = 4_000
"""So many characters may follow the commands of one comment, together: the bot's answer has to
hold what it took, with each character escaped, in one comment of its own."""


class Verb(StrEnum):
    """What a person can ask the bot to do."""

    HELP = "help"
    RERUN = "rerun"
    CLOSE = "close"
    MERGE = "merge"
    HOLD = "hold"
    RESUME = "resume"
    REVISE = "revise"
    APPROVE = "approve"
    PAUSE = "pause"
    START = "start"


USAGE: dict[Verb, tuple[str, str]] = {
    Verb.HELP: ("help", "this list"),
    Verb.RERUN: ("rerun", "measure once more; all results count, none is replaced"),
    Verb.CLOSE: ("close [REASON]", "end this experiment"),
    Verb.MERGE: ("merge", "merge without a verdict; what may be changed is checked all the same"),
    Verb.HOLD: ("hold", "neither measure nor judge this experiment until `/bot resume`"),
    Verb.RESUME: ("resume", "go on after `/bot hold`"),
    Verb.REVISE: ("revise TEXT", "ask the proposer for a new commit on this experiment"),
    Verb.APPROVE: ("approve COMMIT", "let exactly this commit of somebody else be measured"),
    Verb.PAUSE: ("pause", "stop proposing and measuring everywhere until `/bot start`"),
    Verb.START: ("start", "go on after `/bot pause`"),
}
"""How every command is written, and what it does."""
_WITH_TEXT = {Verb.CLOSE, Verb.REVISE, Verb.APPROVE}
_NEEDS_TEXT = {Verb.REVISE, Verb.APPROVE}


@dataclass(frozen=True)
class Command:
    """One command as it was written. `verb` is None where nobody knows the word.

    `text` is what follows, on one line: text from outside.
    """

    verb: Verb | None
    word: str = ""
    text: str = ""
    too_long: bool = False

    def approves(self, head: str) -> bool:
        """Whether it is the approval of exactly this head."""
        return self.verb is Verb.APPROVE and not self.malformed and self.text == head

    @property
    def malformed(self) -> str | None:
        """What is wrong with how it is written, in words; None when nothing is."""
        if self.verb is None:
            return f"there is no command `{self.word}`" if self.word else "no command was named"
        if self.too_long:
            return (
                f"the commands of this comment have more than {LONGEST_TEXT:,} characters. Say "
                "this one in a comment of its own, or more briefly"
            )
        if self.text and self.verb not in _WITH_TEXT:
            return f"`{self.verb}` takes nothing after it"
        if not self.text and self.verb in _NEEDS_TEXT:
            return f"write `{PREFIX} {USAGE[self.verb][0]}`"
        return None


def approves(body: str, head: str) -> bool:
    """Whether a comment approves exactly this head: the one rule for bot and gate."""
    return any(command.approves(head) for command in commands_in(body))


def mentions_commands(body: str) -> bool:
    """Whether there may be commands in a comment: a quick look at its text."""
    return PREFIX in body.casefold()


@lru_cache(maxsize=1_000)  # a long comment takes a moment, and is looked at again and again
def commands_in(body: str) -> tuple[Command, ...]:
    """The commands of a comment, in order. Never raises for what the comment holds."""
    if not mentions_commands(body):
        return ()
    lines = (_command(line) for line in _plain_lines(body[:LONGEST_COMMENT]))
    found = []
    left = LONGEST_TEXT
    for command in islice((command for command in lines if command), MOST_COMMANDS):
        left -= len(command.text)
        found.append(replace(command, text="", too_long=True) if left < 0 else command)
    return tuple(found)


def without_commands(body: str) -> str:
    """A comment without the lines that look like commands, wherever they stand."""
    lines = body[:LONGEST_COMMENT].splitlines()
    return "\n".join(line for line in lines if not _is_prefixed(line.strip())).strip()


def _command(line: str) -> Command | None:
    if not _is_prefixed(line):
        return None
    word, _, text = one_line(line[len(PREFIX) :], LONGEST_COMMENT).partition(" ")
    name = word.casefold() or Verb.HELP.value
    verb = next((verb for verb in Verb if verb == name), None)
    return Command(verb, _quotable(word), text)


def _is_prefixed(line: str) -> bool:
    after = line[len(PREFIX) : len(PREFIX) + 1]
    return line[: len(PREFIX)].casefold() == PREFIX and (not after or after.isspace())


def _quotable(word: str) -> str:
    """A word that a person typed, short and safe between backquotes."""
    return "".join(character for character in word[:40] if character.isalnum() or character in "-_")


def _plain_lines(body: str) -> Iterator[str]:
    """The lines of the paragraphs that stand in nothing else, as their author sees them."""
    tokens = _markdown().parse(body)
    for before, token in pairwise(tokens):
        if before.type == "paragraph_open" and before.level == 0 and token.type == "inline":
            yield from _lines(token.children or [])


def _lines(tokens: Iterable[Token]) -> Iterator[str]:
    """Lines of a paragraph; one that begins otherwise than with plain text comes out empty."""
    line: list[Token] = []
    inside = 0  # links and emphasis that are open; they may span lines
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            yield _line(line)
            line = [] if inside == 0 else [token]
            continue
        inside += token.nesting
        line.append(token)
    yield _line(line)


def _line(tokens: list[Token]) -> str:
    if not tokens or tokens[0].type != "text":
        return ""
    return "".join(_written(token) for token in tokens)


def _written(token: Token) -> str:
    """A token about as it was written; where a link leads is kept."""
    match token.type:
        case "code_inline":
            return f"{token.markup}{token.content}{token.markup}"
        case "link_open" if token.markup != "autolink":
            return f"{token.attrGet('href')} ("
        case "link_close" if token.markup != "autolink":
            return ")"
        case "link_open" | "link_close":
            return ""
        case "text" | "text_special" | "html_inline" | "image":
            return token.content
        case _:
            return token.markup


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt  # only a comment with a command needs it

    # Joined tokens would no longer tell `\\/bot`, a way to mention a command, from `/bot`.
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return parser.disable("text_join")
