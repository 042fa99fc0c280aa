"""The files as the model edits them, in memory, and what its tools answer.

Nothing here touches a disk, a process or a network: a tool call can change one of the allowed
files and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.model import Hypothesis
from bot.proposers import briefing
from bot.proposers.base import Context, PastExperiment
from bot.proposers.claude.state import Unusable
from bot.proposers.claude.tools import Call, Check, Edit, History, InvalidInput, Submit, View, Write
from bot.proposers.review import (
    VERY_NEAR,
    Review,
    diff,
    line,
    near_text,
    outcome,
    review,
    too_much_believed,
)
from bot.text.hygiene import Fence, bounded, clean, name

SHOWN = 60_000
"""How many characters of a file, a diff or a list one answer shows."""
MOST_HITS = 25


@dataclass(frozen=True)
class Submission:
    """What the model handed in, checked."""

    hypothesis: Hypothesis
    notes: str


class Workbench:
    """State of one proposal: the edited files, and the submission once there is one."""

    def __init__(self, context: Context, fence: Fence) -> None:
        self._context = context
        self._fence = fence
        start = context.files if context.revision is None else context.revision.files
        self._start: dict[str, bytes] = {**context.files, **start}
        self.files = dict(self._start)
        self.submission: Submission | None = None
        self.near: set[int] = set()  # experiments that were shown for being alike

    def do(self, call: Call) -> str:
        """Carry out a checked tool call; the answer for the model.

        Raises:
            InvalidInput: it cannot be carried out; the message says why. After a submission
                nothing is: what was checked is what is handed in.
        """
        if self.submission is not None:
            raise InvalidInput("Your proposal was taken already.")
        match call:
            case View():
                return self._view(call)
            case Edit():
                return self._edit(call)
            case Write():
                return self._put(call.path, call.content)
            case History():
                return self._history(call)
            case Check():
                return self._check()
            case Submit():
                return self._submit(call)

    @property
    def mark(self) -> str:
        """The mark of the fence around everything that was shown."""
        return self._fence.mark

    @property
    def edited(self) -> dict[str, str]:
        """The files that the model has changed, as they are now."""
        now = self.files.items()
        return {path: data.decode() for path, data in now if self._start.get(path) != data}

    def go_on(self, edited: Mapping[str, str], near: Iterable[int]) -> None:
        """Put back what was edited and shown in a process before this one. Raises Unusable."""
        try:
            for path, text in edited.items():
                if self.files.get(path, b"").decode("utf-8", "replace") != text:
                    self._put(path, text)
        except InvalidInput as problem:
            raise Unusable(f"an edit in it is not allowed ({self.redact(str(problem))})") from None
        self.near = set(near)

    def redact(self, text: str) -> str:
        """`text` without secrets: for answers that repeat what the model said."""
        return self._fence.secrets.redact(clean(text))

    @property
    def changed(self) -> dict[str, bytes]:
        """The files that differ from the baseline."""
        old = self._context.files
        return {path: data for path, data in self.files.items() if old.get(path) != data}

    # -----------------------------------------------------------------------------------------
    # files

    def _text(self, path: str) -> str:
        if path not in self._context.allowed.paths:
            allowed = ", ".join(self._context.allowed.paths)
            raise InvalidInput(
                f"{name(path)!r} is not one of the files that you may see or change: {allowed}."
            )
        return self.files.get(path, b"").decode("utf-8", errors="replace")

    def _view(self, call: View) -> str:
        lines = self._text(call.path).splitlines()
        first = max(1, call.first_line or 1)
        last = min(len(lines), call.last_line or len(lines))
        if first > last and lines:
            raise InvalidInput(f"There is no line {first}: the file has {len(lines)} lines.")
        label = f"file {call.path}, lines {first} to {last} of {len(lines)}"
        return self._fence.wrap(label, "\n".join(lines[first - 1 : last]), SHOWN)

    def _edit(self, call: Edit) -> str:
        text = self._text(call.path)
        if not call.old:
            raise InvalidInput("`old` is empty: give the text that is to be replaced, or `write`.")
        count = text.count(call.old)
        if count != 1:
            times = "does not occur" if count == 0 else f"occurs {count} times"
            hint = "look at the file again" if count == 0 else "give more of the lines around it"
            raise InvalidInput(f"`old` {times} in {call.path}: {hint}. Nothing was changed.")
        return self._put(call.path, text.replace(call.old, call.new, 1))

    def _put(self, path: str, text: str) -> str:
        before = self._text(path)
        try:
            data = text.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidInput("The text has broken characters (lone surrogates).") from None
        limit = self._context.allowed.max_bytes
        if len(data) > limit:
            raise InvalidInput(
                f"{path} would have {len(data):,} bytes, more than {limit:,}. Nothing was changed."
            )
        if text == before:
            raise InvalidInput("That changes nothing.")
        if self._fence.secrets.found_in(text) and not self._fence.secrets.found_in(before):
            raise InvalidInput("The text holds what looks like a credential. Nothing was changed.")
        self.files[path] = data
        return f"Done. {path} has {len(text.splitlines())} lines now."

    # -----------------------------------------------------------------------------------------
    # history

    def _history(self, call: History) -> str:
        if call.number is not None:
            return self._one(self._past(call.number), call.show)
        words = clean(call.query or "").casefold().split()[:10]
        if not words:
            raise InvalidInput("Give words to search for, or the number of an experiment.")
        hits = [past for past in self._context.history if _matches(past, words)]
        lines = [line(past) for past in reversed(hits[-MOST_HITS:])]
        label = f"{len(hits)} experiments found, the latest {len(lines)} of them"
        return self._fence.wrap(label, "\n".join(lines) or "none", SHOWN)

    def _past(self, number: int) -> PastExperiment:
        for past in self._context.history:
            if past.number == number:
                return past
        raise InvalidInput(f"There is no finished experiment #{number} in the history.")

    def _one(self, past: PastExperiment, show: str) -> str:
        label = f"experiment #{past.number}, {show}"
        if show == "curve":
            points: Sequence[tuple[float, float]] = self._context.curve(past.number)
            return self._fence.wrap(label, briefing.curve_text(points), SHOWN)
        if show == "diff":
            text = diff(past.base_files or self._context.files, past.files)
            return self._fence.wrap(label, text or "the files are not there any more", SHOWN)
        return self._fence.wrap(label, f"{past.title}\n{outcome(past)}", SHOWN)

    # -----------------------------------------------------------------------------------------
    # handing in

    def _check(self) -> str:
        found = review(self.files, self._context)
        if not found.fine:
            return "Not yet: " + self._fence.wrap("problems", "\n".join(found.problems), 4_000)
        return (
            f"Fine: allowed, compiles, new. {found.changed_lines} changed lines.{self._near(found)}"
        )

    def _near(self, found: Review) -> str:
        if not found.near:
            return ""
        self.near |= {near.number for near in found.near}
        text = near_text(found.near, self._context)
        return " Earlier experiments like it:\n" + self._fence.wrap("near experiments", text, 6_000)

    def _submit(self, call: Submit) -> str:
        said = (call.title, call.rationale, call.expected, call.falsified_by, call.notes)
        if any(self._fence.secrets.found_in(text) for text in said):
            raise InvalidInput("Not taken: the text holds what looks like a credential.")
        found = review(self.files, self._context)
        if not found.fine:
            reasons = bounded("; ".join(found.problems), 2_000)
            raise InvalidInput(f"Not taken: {self._fence.plain(reasons)}.")
        too_much = too_much_believed(call.notes, self._context)
        if too_much:
            raise InvalidInput(f"Not taken: {too_much}.")
        unseen = [
            near
            for near in found.near
            if near.similarity >= VERY_NEAR and near.number not in self.near
        ]
        if unseen:
            return (
                f"Not taken yet.{self._near(found)}\nIf you still believe in it, submit again and "
                "say in the rationale what is different; else change it."
            )
        title, rationale, expected, falsified_by, notes = (clean(text).strip() for text in said)
        title = name(title, 150)
        if not title or not rationale:
            raise InvalidInput("Not taken: title and rationale must say something.")
        hypothesis = Hypothesis(title, rationale, falsified_by=falsified_by, expected=expected)
        self.submission = Submission(hypothesis, notes)
        return "Taken."


def _matches(past: PastExperiment, words: Sequence[str]) -> bool:
    text = f"#{past.number} {past.title} {past.reason or 'open'}".casefold()
    if all(word in text for word in words):
        return True
    text += _changed_text(past).casefold()
    return all(word in text for word in words)


def _changed_text(past: PastExperiment) -> str:
    """The lines that an experiment added or removed, in no order."""
    before = past.base_files or {}
    parts: list[str] = []
    for path, data in past.files.items():
        old = set(before.get(path, b"").decode("utf-8", errors="replace").splitlines())
        new = set(data.decode("utf-8", errors="replace").splitlines())
        parts += old ^ new
    return "\n".join(parts)
