"""The conversation that leads to one proposal: ask, carry out tool calls, answer, until done.

Everything is bounded: answers, tool calls, mistakes, tokens, dollars, waits. Each failure has
a type; the model hears of those that it can mend, a limited number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from bot.history.cost import Cost
from bot.proposers.base import ProposalFailed
from bot.proposers.briefing import FULL, SHORT, Detail
from bot.proposers.claude.failures import (
    ADVICE,
    OF_A_PERSON,
    PASSING,
    TOLD_TO_MODEL,
    CallFailed,
    Trouble,
)
from bot.proposers.claude.prompt import Block, Request
from bot.proposers.claude.purse import Purse
from bot.proposers.claude.reading import Answer, ToolCall
from bot.proposers.claude.state import MOST_SOURCES, Counts, State, Unusable, form
from bot.proposers.claude.tools import InvalidInput, parse
from bot.proposers.claude.workbench import Workbench
from bot.text.hygiene import name

MOST_MISTAKES = 10  # tool calls that could not be carried out
MOST_REMINDERS = 2  # answers that ended without handing in
MOST_BROKEN = 3  # answers that were cut off or could not be read
CALLS_A_TURN = 16
MOST_CALLS = 200
WAITS_S = (2.0, 8.0, 30.0)  # where the server does not say how long


class Asks(Protocol):
    """Asks the model (`bot.proposers.claude.api.Api`)."""

    @property
    def in_flight(self) -> Cost:
        """What an answer that is not complete has cost by now, without dollars."""
        ...

    def ask(self, request: Request, on_progress: Callable[[str], None]) -> Answer:
        """Raises CallFailed."""
        ...


@dataclass(frozen=True)
class Bounds:
    """How long a conversation may get."""

    turns: int
    web_uses: int = 0


@dataclass
class Talk:
    """One conversation. `opening` makes its first request with so much detail.

    `keep` is told the next request before what an answer cost is written down.
    """

    api: Asks
    bench: Workbench
    purse: Purse
    opening: Callable[[Detail], Request]
    granted: frozenset[str]
    bounds: Bounds
    progress: Callable[[str], None]
    sleep: Callable[[float], None]
    keep: Callable[[Request], None]
    counts: Counts = field(default_factory=Counts)
    _begun: Request | None = None  # the next request of one that was left, until it is answered
    _waits: int = 0

    def state(self, request: Request) -> State:
        """How it stands, `request` being the next."""
        return State(
            mark=self.bench.mark,
            form=form(request),
            counts=self.counts,
            files=self.bench.edited,
            near=self.bench.near,
            input_tokens=self.purse.known_input,
            estimated=self.purse.known_estimate,
        )

    def go_on(self, state: State, messages: list[Block]) -> None:
        """Go back to where a process before this one has left it. Raises Unusable."""
        first = self.opening(FULL)
        if form(first) != state.form:
            raise Unusable("the model, its instructions or its tools have changed since")
        self.bench.go_on(state.files, state.near)
        self.purse.known_input, self.purse.known_estimate = state.input_tokens, state.estimated
        self.counts, self._begun = state.counts, replace(first, messages=messages)
        self.progress(f"goes on with a conversation that has {self.counts.turns} answers already")

    def run(self) -> None:
        """Talk until the workbench has a submission.

        Raises:
            ProposalFailed: it came to nothing; the message says why.
            Unusable: the interface does not take it where it was begun before.
        """
        request = self._begun or self.opening(FULL)
        while self.counts.turns < self.bounds.turns:
            self.counts.turns += 1
            room = self.purse.room(request, self.bounds.web_uses)
            asked = replace(request, max_tokens=room)
            try:
                answer = self.api.ask(asked, partial(self._tell, self.counts.turns))
            except CallFailed as failure:
                self.purse.add(failure.cost)
                self.purse.settle()
                request = self._after(failure, request)
                continue
            self.purse.add(answer.usage, asked)
            self._waits, self._begun = 0, None
            self._note_sources(answer)
            request = self._react(answer, request)
            if self.bench.submission is not None:
                return  # whoever keeps the proposal settles in the same write
            self.keep(request)
            self.purse.settle()
        raise self._failed(
            f"the model did not hand in a proposal within {self.bounds.turns} answers"
        )

    # -----------------------------------------------------------------------------------------
    # answers

    def _react(self, answer: Answer, request: Request) -> Request:
        """The next request after a complete answer."""
        if answer.stop == "refusal":
            reason = answer.refusal or "no reason given"
            raise self._failed(f"the model refused to go on ({reason})", again=False)
        if answer.stop == "model_context_window_exceeded":
            return self._shorten(request)
        if answer.stop == "pause_turn":
            return _with(request, {"role": "assistant", "content": answer.blocks})
        cut = answer.stop == "max_tokens"
        if cut:
            self._count_broken("answers were cut off at their greatest length")
        results = self._carry_out(answer.calls, cut=cut)
        notes = []
        if cut:
            notes.append(
                "Your answer was cut off at its greatest length. Go on in smaller pieces: short "
                "thoughts, `edit` instead of `write`."
            )
        elif not answer.calls:
            notes.append(self._remind())
        content = [*results, *({"type": "text", "text": note} for note in notes)]
        if not _can_stand(answer.blocks):
            return _with(request, {"role": "user", "content": content})
        answered = _with(request, {"role": "assistant", "content": answer.blocks})
        return _with(answered, {"role": "user", "content": content}) if content else answered

    def _carry_out(self, calls: tuple[ToolCall, ...], *, cut: bool) -> list[Block]:
        """The results of all calls of one answer; every call gets one."""
        results = []
        for index, call in enumerate(calls):
            self.counts.calls += 1
            if cut and index == len(calls) - 1:
                text, wrong = "This call was cut off. Nothing of it was done.", True
            elif self.bench.submission is not None:
                text, wrong = "Your proposal was taken already.", True
            elif index >= CALLS_A_TURN or self.counts.calls > MOST_CALLS:
                text, wrong = f"Too many calls: at most {CALLS_A_TURN} in one answer.", True
            else:
                text, wrong = self._one(call)
            result: Block = {"type": "tool_result", "tool_use_id": call.id, "content": text}
            results.append({**result, "is_error": True} if wrong else result)
        if self.counts.calls > MOST_CALLS and self.bench.submission is None:
            raise self._failed(f"the model made more than {MOST_CALLS} tool calls")
        return results

    def _one(self, call: ToolCall) -> tuple[str, bool]:
        try:
            checked = parse(call.tool, call.input, self.granted)
            return self.bench.do(checked), False
        except InvalidInput as problem:
            self.counts.mistakes += 1
            if self.counts.mistakes > MOST_MISTAKES:
                reason = name(self.bench.redact(str(problem)), 200)
                raise self._failed(
                    f"more than {MOST_MISTAKES} tool calls could not be carried out; "
                    f"the last: {reason}"
                ) from None
            return self.bench.redact(str(problem)), True

    def _remind(self) -> str:
        self.counts.reminders += 1
        if self.counts.reminders > MOST_REMINDERS:
            raise self._failed("the model ended its work without handing in a proposal")
        return (
            "You ended without handing in. Nobody reads questions or reports. Finish the edit "
            "and call `submit`."
        )

    def _note_sources(self, answer: Answer) -> None:
        for source in answer.sources:
            known = {one.url for one in self.counts.sources}
            if source.url not in known and len(self.counts.sources) < MOST_SOURCES:
                self.counts.sources.append(source)

    # -----------------------------------------------------------------------------------------
    # failures

    def _after(self, failure: CallFailed, request: Request) -> Request:
        """The next request after a call that failed; raises when there is none."""
        if failure.trouble in PASSING:
            return self._wait(failure, request)
        if failure.trouble is Trouble.TOO_LONG:
            return self._shorten(request)
        if failure.trouble in TOLD_TO_MODEL:
            self._count_broken(str(failure))
            note = f"Your last answer was lost: {failure}. Nothing of it was done. Do it again."
            return _with_note(request, note)
        if failure.trouble is Trouble.BAD_REQUEST and self._begun is not None:
            raise Unusable("the interface does not take what was kept of it")
        advice = ADVICE.get(failure.trouble, "")
        mendable = failure.trouble in OF_A_PERSON
        raise ProposalFailed(
            f"{failure}. {advice}".strip(), self.purse.spent, again=False, mendable=mendable
        )

    def _wait(self, failure: CallFailed, request: Request) -> Request:
        if self._waits >= len(WAITS_S):
            tries = self._waits + 1
            advice = ADVICE[failure.trouble]
            raise self._failed(
                f"{failure}, {tries} times in a row. {advice}", again=False, passing=True
            )
        seconds = WAITS_S[self._waits] if failure.wait_s is None else failure.wait_s
        self._waits += 1
        self.progress(f"{failure.trouble}: waiting {seconds:.0f} s")
        self.sleep(seconds)
        return request

    def _shorten(self, request: Request) -> Request:
        """Start anew with a short account. The edited files stay."""
        del request
        if self.counts.short:
            raise self._failed(
                "the context is too long for the model, also in its short form", again=False
            )
        self.counts.short = True
        self.purse.forget()
        note = (
            "An earlier conversation became too long and is gone. The edits made in it are "
            "kept: `view` shows the files as they are now."
        )
        return _with_note(self.opening(SHORT), note)

    def _count_broken(self, what: str) -> None:
        self.counts.broken += 1
        if self.counts.broken > MOST_BROKEN:
            raise self._failed(f"more than {MOST_BROKEN} answers were of no use; the last: {what}")

    def _failed(self, reason: str, *, again: bool = True, passing: bool = False) -> ProposalFailed:
        return ProposalFailed(reason, self.purse.spent, again=again, passing=passing)

    def _tell(self, turn: int, words: str) -> None:
        said = self.bench.redact(words)
        self.progress(f"answer {turn}: {said}, ${self.purse.spent.usd:.3f} so far")


def _with(request: Request, message: Block) -> Request:
    """`request` with one more message; two of one role in a row become one."""
    *before, last = request.messages
    if last["role"] == message["role"]:
        merged = {"role": last["role"], "content": [*last["content"], *message["content"]]}
        return replace(request, messages=[*before, merged])
    return replace(request, messages=[*request.messages, message])


def _with_note(request: Request, note: str) -> Request:
    return _with(request, {"role": "user", "content": [{"type": "text", "text": note}]})


def _can_stand(blocks: list[Block]) -> bool:
    """Whether an answer can be sent back: one of thinking alone, or of nothing, cannot."""
    return any(
        block.get("type") not in ("thinking", "redacted_thinking")
        and not (block.get("type") == "text" and not str(block.get("text", "")).strip())
        for block in blocks
    )
