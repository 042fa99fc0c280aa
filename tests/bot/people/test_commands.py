from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.forge.base import Author, Comment
from bot.people.commands import (
    LONGEST_TEXT,
    MOST_COMMANDS,
    Command,
    Verb,
    commands_in,
    without_commands,
)
from bot.people.record import Order, Record, hidden, record_of


def verbs(body: str) -> list[Verb | None]:
    return [command.verb for command in commands_in(body)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("/bot hold", Command(Verb.HOLD, "hold")),
        ("  /bot   hold  ", Command(Verb.HOLD, "hold")),
        ("/BOT Hold", Command(Verb.HOLD, "Hold")),
        ("/bot close it is a duplicate", Command(Verb.CLOSE, "close", "it is a duplicate")),
        ("/bot", Command(Verb.HELP)),
        ("/bot dance now", Command(None, "dance", "now")),
        (
            "/bot revise use `max(a, b)` as in [this](https://x.org)",
            Command(Verb.REVISE, "revise", "use `max(a, b)` as in https://x.org (this)"),
        ),
    ],
)
def test_a_line_that_begins_with_the_prefix_is_a_command(body: str, expected: Command) -> None:
    assert commands_in(body) == (expected,)


def test_every_line_of_a_comment_can_be_one() -> None:
    body = "I looked at it.\n/bot hold\r\nand then:\n\n/bot rerun\n"
    assert verbs(body) == [Verb.HOLD, Verb.RERUN]


@pytest.mark.parametrize(
    "body",
    [
        "please /bot hold",
        "/both hold",
        "> /bot hold",
        "> somebody said\n/bot hold",  # Markdown takes it for a part of the quotation
        "> > /bot hold",
        "```\n/bot hold\n```",
        "~~~~\n/bot hold\n~~~~",
        "```\n/bot hold",  # a fence that never ends
        "    /bot hold",
        "\t/bot hold",
        "`/bot hold`",
        "`code that\n/bot hold\nspans lines`",
        "[/bot hold](https://example.org)",
        "[text\n/bot hold](https://example.org)",
        "![picture\n/bot hold](https://example.org/x.png)",
        "[/bot hold]: https://example.org",
        "<!--\n/bot hold\n-->",
        "<pre>\n/bot hold\n</pre>",
        "text <span title='\n/bot hold\n'>",
        "- /bot hold",
        "- a list\n/bot hold",
        "1. /bot hold",
        "# /bot hold",
        "/bot hold\n---",
        "**/bot hold**",
        "*emphasis\n/bot hold*",
        "\\/bot hold",
        "&#47;bot hold",
        "/\u200bbot hold",
        "| a |\n| --- |\n| /bot hold |",
        "/bot hold | x\n--- | ---\n1 | 2",
    ],
)
def test_quotations_code_links_and_the_like_only_talk_about_commands(body: str) -> None:
    assert commands_in(body) == ()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("/bot merge when it is green", "takes nothing after it"),
        ("/bot hold on", "takes nothing after it"),
        ("/bot revise", "write `/bot revise TEXT`"),
        ("/bot approve", "write `/bot approve COMMIT`"),
        ("/bot dance", "there is no command `dance`"),
        ("/bot $(rm -rf ~);`id`", "there is no command `rm`"),
    ],
)
def test_what_is_written_in_another_way_is_not_guessed_at(body: str, problem: str) -> None:
    (command,) = commands_in(body)
    assert problem in str(command.malformed)


def test_of_many_commands_in_a_comment_the_first_are_looked_at() -> None:
    assert len(commands_in("/bot hold\n" * 500)) == MOST_COMMANDS


def test_what_is_too_long_to_be_kept_is_refused_and_not_cut() -> None:
    first, second, third = commands_in(
        f"/bot revise {'x' * 3_000}\n/bot revise {'y' * 1_001}\n/bot hold\n"
    )
    assert first.malformed is None and len(first.text) == 3_000
    assert second.malformed and "more than 4,000 characters" in second.malformed
    assert third.malformed  # what comes after it may depend on it


@pytest.mark.parametrize("letter", ["-", "<", "é", "\N{GRINNING FACE}"])
def test_the_longest_orders_fit_into_the_answer_that_keeps_them(letter: str) -> None:
    size = LONGEST_TEXT // MOST_COMMANDS
    body = "\n".join([f"/bot revise {letter * size}"] * MOST_COMMANDS)
    bot = Author("bot", "1", is_bot=True)
    orders = tuple(
        Order(verb=Verb.REVISE, text=found.text, by="x" * 80, head="0" * 40, attempts=99)
        for found in commands_in(body)
        if not found.malformed
    )
    assert len(orders) == MOST_COMMANDS
    kept = hidden(Record(answers="IC_12345678", orders=orders))
    assert len(kept) < 63_000  # with the answer itself, within GitHub's 65,535
    found = record_of(Comment("1", bot, kept + "Done.\n", 0), bot)
    assert found is not None and found.orders == orders


def test_a_remark_is_what_is_left_of_a_comment_without_its_commands() -> None:
    assert without_commands("Try a longer warm-up.\n/bot hold\n  /bot close no\nThanks.") == (
        "Try a longer warm-up.\nThanks."
    )
    assert without_commands("/bot rerun") == ""


marks = st.sampled_from([*"/bot hold`~>#-*_[]()<>!|\\&\n\r\t \u200b\x00", "/bot ", "```", "\n\n"])
markdown = st.lists(marks | st.text(max_size=5), max_size=40).map("".join)


@given(markdown)
def test_no_comment_breaks_the_reader(body: str) -> None:
    for command in commands_in(body):
        assert "\n" not in command.text
        assert len(command.word) <= 40
        assert "`" not in command.word
    assert "/bot hold" not in without_commands(body).splitlines()


@given(markdown)
def test_no_comment_commands_anything_once_it_is_quoted(body: str) -> None:
    lines = body.replace("\r", "\n").replace("\x00", "").split("\n")
    assert commands_in("\n".join(f"> {line}" for line in lines)) == ()


@given(st.text(max_size=200))
def test_no_comment_commands_anything_from_within_a_fence(body: str) -> None:
    assert commands_in(f"{'`' * 60}\n{body.replace('`' * 60, '')}\n{'`' * 60}\n") == ()


@given(st.sampled_from([verb for verb in Verb if verb not in {Verb.REVISE, Verb.APPROVE}]))
def test_every_command_is_understood_as_it_is_documented(verb: Verb) -> None:
    (command,) = commands_in(f"/bot {verb}")
    assert (command.verb, command.malformed) == (verb, None)
