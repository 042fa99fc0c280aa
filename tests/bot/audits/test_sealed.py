"""A person may quote a sealed number anywhere; no proposer hears it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.actions import Revise
from bot.audits.sealed import Sealed
from bot.forge.base import Author
from bot.proposers.claude import ClaudeProposer
from bot.proposers.command import CommandProposer
from bot.proposers.tables import ClaudeTable, CommandTable
from bot.proposing.context import context
from bot.proposing.revise import Revising
from bot.settings import IMPORTED
from bot.text.hygiene import REDACTED
from tests.bot.audits.test_plan import SEALED, SETTINGS, merge
from tests.bot.lab import Lab, git, rate

PERSON = Author("Person", "person@example.org")
QUOTED = f"{SEALED + 3:.3f}"  # 7315.625, of the winner


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    phase = f'[[phase]]\nname = "all"\nscope = "Get near {QUOTED}."\n'
    lab = Lab.build(tmp_path / "project", SETTINGS + '[proposer]\nname = "claude"\n' + phase)
    lab.measurer.sealed = lambda source: SEALED + rate(source)
    return lab


def prompts(lab: Lab) -> str:
    """Everything that either proposer that reads would be told."""
    told = context(lab.place, lab.view())
    request = ClaudeProposer(ClaudeTable()).first_request(told)
    task = CommandProposer(CommandTable()).task(told)
    return repr(request) + repr(task)


def test_wherever_a_person_quotes_a_sealed_number_no_prompt_has_it(lab: Lab) -> None:
    number = merge(lab)
    lab.until_idle()
    open_one = lab.experiment({"train.py": "RATE = 2.0\n"}, f"Get below {QUOTED}")
    metric = f"{context(lab.place, lab.view()).history[0].metric:.6g}"
    for said in (f"On the sealed split it is {QUOTED}, or 7315.6!", f"Validation says {metric}."):
        lab.place.forge.comment(number, PERSON, said)
    page = (lab.folder / "scratchpad.md").read_text()
    for name, text in {
        "program.md": f"# Programme\nBeat {QUOTED}.\n",
        IMPORTED: f"We had {QUOTED}.\n",
        "scratchpad.md": f"Sealed: {QUOTED}, RATE 0.125 of run 48213.\n{page}",
    }.items():
        (lab.folder / name).write_text(text)
    git(lab.folder, "add", "-A")
    git(lab.folder, "commit", "-qm", "Quote it")
    told = prompts(lab)
    fences = r"\b[0-9a-f]{16}\b"  # any digits, by chance
    assert "7315" not in re.sub(fences, "", told)
    assert "On the sealed split it is [redacted], or [redacted]!" in told
    assert "Beat [redacted]." in told and "Get below [redacted]" in told
    assert "We had [redacted]." in told and "Get near [redacted]." in told
    # Other numbers stay, those of the validation split above all.
    assert "Sealed: [redacted], RATE 0.125 of run 48213" in told
    assert f"Validation says {metric}." in told

    wish = Revise(open_one, request="r1", guidance=f"Closer to {QUOTED}, please.")
    revision = Revising(lab.place, wish, lambda: 1).told(lab.view()).revision
    assert revision is not None
    assert revision.guidance == "Closer to [redacted], please."
    assert revision.hypothesis.title == "Get below [redacted]"


FOUND = Sealed([0.81236, 12.5, 7315.625], gains=[-0.4567, float("inf")])


@pytest.mark.parametrize(
    "text",
    [
        *("0.81236", "0.8124", "81.24 %", "-0.457", "+0.4567", "0,8124", "8.1236e-1", "12.50"),
        *("_0.81236_", "**0.8124**", ".81236", "-.457", "...0.8124"),
        *("0.8123", "81.23 %", "7315", "0.812360000000000015"),
        *("7,315.625", "7 315.6", "7'316", "7_315.625", "7.315,625", "7315,625"),
        *("3,0.81236", "0.5,0.8124", "7,315,3", "12,7,315.625"),
    ],
)
def test_a_sealed_number_is_known_in_every_common_way_of_writing_it(text: str) -> None:
    assert FOUND.redact(f"It is {text}.").count(REDACTED) == 1


def test_the_sign_of_a_gain_goes_with_it() -> None:
    assert FOUND.redact("It is -.4567, or -0.457.") == "It is [redacted], or [redacted]."


@pytest.mark.parametrize(
    "text",
    [
        *("0.8", "0.81", "12", "0.46", "v0.8124.1", "1.0.8124", "x12.50", "1812.36"),
        *("0.8122", "0.8125", "7,300", "7,315,000", "0.4560", "1e999", "2026-11-25"),
    ],
)
def test_other_numbers_and_names_stay(text: str) -> None:
    assert FOUND.redact(text) == text


@given(st.text(max_size=300))
def test_any_text_is_taken_and_without_audits_nothing_changes(text: str) -> None:
    FOUND.redact(text)
    assert Sealed((), ()).redact(text) == text
