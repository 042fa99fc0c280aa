"""What the bot says to people: answers, requests for an approval. Pure Markdown.

Text from outside is made inert here.
"""

from __future__ import annotations

from bot.model import Reason
from bot.people.commands import PREFIX, USAGE, Verb
from bot.people.plan import Answer, Reply
from bot.text.plain import inert_markdown, one_line


def answer_text(answer: Answer) -> str:
    """One line for each command, and the list of commands for who asked or missed it."""
    lines = [_line(reply) for reply in answer.replies]
    if answer.also:
        lines.append(f"- This answers {len(answer.also)} more of your comments here.")
    if answer.with_help:
        lines += ["", help_text()]
    return "\n".join(lines) + "\n"


def _line(reply: Reply) -> str:
    command = reply.command
    word = command.verb or command.word
    return f"- `{PREFIX} {word}`: {reply.words}" if word else f"- {reply.words}"


def summary(answer: Answer) -> str:
    """The answer in a few words, for a terminal."""
    words = (
        str(reply.command.verb or reply.command.word) + ("" if reply.order else " (not done)")
        for reply in answer.replies
    )
    return ", ".join(words)


def help_text() -> str:
    """The commands, one a line."""
    rows = [f"- `{PREFIX} {how}`: {what}" for how, what in USAGE.values()]
    return "\n".join(
        [
            "Commands, each on a line of its own, outside quotations, lists, code and links; all "
            f"but `{Verb.HELP}` need write permission:",
            "",
            *rows,
        ]
    )


def approval_text(head: str, author: str) -> str:
    """Why somebody else's head is not measured yet, and what lets it be."""
    return (
        f"This comes from {inert_markdown(one_line(author, 80))}, who may not write to this "
        "repository, or from a fork. It is not measured before a person with write permission "
        "has looked at exactly this commit and approved it: by a review, or with a comment "
        "that says\n\n"
        f"    {PREFIX} approve {head}\n\n"
        "A new commit needs a new approval.\n"
    )


def reopened_text(reason: Reason) -> str:
    """Why nothing happens to an ended experiment that was opened again, and what to do instead."""
    return (
        f"This experiment has ended as `{reason}`, and its verdict stands: opening the pull "
        "request again makes the bot neither measure nor merge it. To have what is on its branch "
        "tried, close this one and open a new pull request.\n"
    )
