"""Whether a set of files could become an experiment: policy, size, duplicates, near repeats.

Shared by the proposers that let a model edit (before anything is put on a branch, and without
running any of it). Pure.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.history import beliefs, fingerprint
from bot.history.fingerprint import Earlier, Near
from bot.policy import rules as policy
from bot.proposers.base import Context, PastExperiment

Files = Mapping[str, bytes]
MOST_LINES = 3_000
"""How many lines of a file a shown diff compares."""
VERY_NEAR = 0.6
"""An earlier experiment this much alike is shown before a proposal is taken."""


@dataclass(frozen=True)
class Review:
    """What is wrong with a change (empty: nothing), how large it is, and what it is like."""

    problems: tuple[str, ...]
    changed_lines: int
    near: tuple[Near, ...] = ()

    @property
    def fine(self) -> bool:
        """Whether it may be proposed."""
        return not self.problems


def review(files: Files, context: Context) -> Review:
    """Judge the allowed files as a proposer would leave them. Never raises for what they hold."""
    rules = context.allowed
    lines = changed_lines(context.files, files)
    broken = policy.check_files(files, rules, context.files)
    problems = [str(violation) for violation in broken[:5]]
    if rules.max_changed_lines is not None and lines > rules.max_changed_lines:
        problems.append(
            f"{lines} changed lines, more than this phase allows ({rules.max_changed_lines})"
        )
    if problems:
        return Review(tuple(problems), lines)
    problem = _nothing_new(files, context)
    if problem:
        return Review((problem,), lines)
    return Review((), lines, near(files, context))


def changed_lines(before: Files, after: Files) -> int:
    """Added plus removed lines of all files, in linear time; lines that only moved do not count.

    A quick look: what counts in the end is git's own diff.
    """
    count = 0
    for path in sorted(before.keys() | after.keys()):
        old, new = (Counter(_lines(side.get(path, b""))) for side in (before, after))
        count += (old - new).total() + (new - old).total()
    return count


def diff(before: Files, after: Files) -> str:
    """The change as a unified diff of text; of long files only the first lines are compared."""
    parts: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        # Comparing takes quadratic time in the worst case, which strangers can bring about.
        old, new = (_lines(side.get(path, b""))[:MOST_LINES] for side in (before, after))
        parts += difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join(parts)


def near(files: Files, context: Context) -> tuple[Near, ...]:
    """Earlier experiments whose change was like this one, most alike first.

    A revision is like the experiment that it revises, which says nothing.
    """
    own = context.revision.number if context.revision else None
    earlier = [
        Earlier(past.number, past.files, past.base_files)
        for past in context.history
        if past.number != own
    ]
    return fingerprint.near(files, context.files, context.entry, earlier)


def near_text(found: Sequence[Near], context: Context) -> str:
    """Near experiments with their outcome, one a line: not fenced yet."""
    by_number = {past.number: past for past in context.history}
    return "\n".join(
        f"{line(by_number[one.number])} (alike {one.similarity:.0%}: {one.why})" for one in found
    )


def line(past: PastExperiment) -> str:
    """One experiment on one line: number, hypothesis, what became of it."""
    return f"#{past.number} {' '.join(past.title.split())[:200]}: {outcome(past)}"


def _nothing_new(files: Files, context: Context) -> str | None:
    mark = fingerprint.exact(files, context.beside)
    if mark == fingerprint.exact(context.files, context.beside):
        return "it changes nothing that is run (comments and formatting do not count)"
    for past in context.history:
        if past.settled and past.files and _mark(past, context) == mark:
            return f"experiment #{past.number} tried the same code: {outcome(past)}"
    return None


def _mark(past: PastExperiment, context: Context) -> str:
    return past.mark or fingerprint.exact({**context.files, **past.files}, context.beside)


def too_much_believed(notes: str, context: Context) -> str:
    """Why the beliefs that a proposer hands in cannot be taken; empty if they can."""
    now = beliefs.of(context.scratchpad)
    size = beliefs.size(beliefs.after(now, beliefs.change(now, notes)))
    if not notes.strip() or size <= context.most_beliefs:
        return ""
    return (
        f"the beliefs in `notes` have {size:,} characters, more than {context.most_beliefs:,}: "
        "condense them, and keep what the evidence supports best"
    )


def outcome(past: PastExperiment) -> str:
    """What became of an earlier experiment, in a few words with its numbers."""
    if past.reason is None:
        return "still open"
    words = str(past.reason)
    if past.estimate is not None:
        estimate = past.estimate
        words += (
            f", difference {estimate.difference:+.4g} ({estimate.low:+.4g} to {estimate.high:+.4g})"
        )
    elif past.metric is not None:
        words += f", metric {past.metric:.6g}"
    return words if past.comparable else words + " (other hardware or settings than today's)"


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="replace").splitlines()
