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
from bot.model import Source
from bot.proposers.base import ProposalFailed
from bot.proposers.briefing import FULL, SHORT, Detail
from bot.proposers.claude.failures import PASSING, TOLD_TO_MODEL, CallFailed, Trouble
from bot.proposers.claude.prompt import Block, Request
from bot.proposers.claude.purse import Purse
from bot.proposers.claude.tools import InvalidInput, parse
from bot.proposers.claude.workbench import Workbench
from bot.text.hygiene import name

MOST_MISTAKES = 10  # tool calls that could not be carried out
MOST_REMINDERS = 2  # answers that ended without handing in
MOST_BROKEN = 3  # answers that were cut off or could not be read
CALLS_A_TURN = 16
MOST_CALLS = 200
WAITS_S = (2.0, 8.0, 30.0)  # where the server does not say how long
MOST_SOURCES = 20

_ADVICE = {
    Trouble.OVERLOADED: "The model is overloaded. Run the step again later.",
    Trouble.RATE_LIMITED: "The rate limit of the key is reached. Run the step again later.",
    Trouble.BROKE_OFF: "Check the connection and run the step again.",
    Trouble.SERVER: "The service has a problem. Run the step again later.",
    Trouble.REFUSED_KEY: "Check ANTHROPIC_API_KEY.",
    Trouble.NO_CREDIT: "Add credit to the account of the key.",
    Trouble.NO_SUCH_MODEL: "Check claude.model in bot.toml.",
    Trouble.BAD_REQUEST: "Check the model and the settings in [claude] of bot.toml.",
    Trouble.BAD_ADDRESS: "Check ANTHROPIC_BASE_URL and the proxy variables (HTTPS_PROXY, "
    "ALL_PROXY): unset them, or correct them.",
    Trouble.NOT_SENT: "Check the variables ANTHROPIC_... and those of a proxy (HTTPS_PROXY, "
    "ALL_PROXY), and that the package anthropic is the one of requirements/bot.txt.",
}


class ToolCallLike(Protocol):
    """A tool call as it came."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def tool(self) -> str: ...  # noqa: D102
    @property
    def input(self) -> object: ...  # noqa: D102


class AnswerLike(Protocol):
    """One complete answer (`bot.proposers.claude.api.Answer`)."""

    @property
    def blocks(self) -> list[Block]: ...  # noqa: D102
    @property
    def calls(self) -> tuple[ToolCallLike, ...]: ...  # noqa: D102
    @property
    def stop(self) -> str: ...  # noqa: D102
    @property
    def usage(self) -> Cost: ...  # noqa: D102
    @property
    def refusal(self) -> str: ...  # noqa: D102
    @property
    def sources(self) -> tuple[Source, ...]: ...  # noqa: D102


class Asks(Protocol):
    """Asks the model (`bot.proposers.claude.api.Api`)."""

    @property
    def in_flight(self) -> Cost:
        """What an answer that is not complete has cost by now, without dollars."""
        ...

    def ask(self, request: Request, on_progress: Callable[[str], None]) -> AnswerLike:
        """Raises CallFailed."""
        ...


@dataclass(frozen=True)
class Bounds:
    """How long a conversation may get."""

    turns: int
    web_uses: int = 0


@dataclass
class Talk:
    """One conversation. `opening` makes its first request with so much detail."""

    api: Asks
    bench: Workbench
    purse: Purse
    opening: Callable[[Detail], Request]
    granted: frozenset[str]
    bounds: Bounds
    progress: Callable[[str], None]
    sleep: Callable[[float], None]
    sources: list[Source] = field(default_factory=list)
    _mistakes: int = 0
    _reminders: int = 0
    _broken: int = 0
    _waits: int = 0
    _calls: int = 0
    _detail: Detail = FULL

    def run(self) -> None:
        """Talk until the workbench has a submission.

        Raises:
            ProposalFailed: it came to nothing; the message says why.
        """
        request = self.opening(self._detail)
        for turn in range(1, self.bounds.turns + 1):
            room = self.purse.room(request, self.bounds.web_uses)
            asked = replace(request, max_tokens=room)
            try:
                answer = self.api.ask(asked, partial(self._tell, turn))
            except CallFailed as failure:
                self.purse.add(failure.cost)
                request = self._after(failure, request)
                continue
            self.purse.add(answer.usage, asked)
            self._waits = 0
            self._note_sources(answer)
            request = self._react(answer, request)
            if self.bench.submission is not None:
                return
        raise self._failed(
            f"the model did not hand in a proposal within {self.bounds.turns} answers"
        )

    # -----------------------------------------------------------------------------------------
    # answers

    def _react(self, answer: AnswerLike, request: Request) -> Request:
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

    def _carry_out(self, calls: tuple[ToolCallLike, ...], *, cut: bool) -> list[Block]:
        """The results of all calls of one answer; every call gets one."""
        results = []
        for index, call in enumerate(calls):
            self._calls += 1
            if cut and index == len(calls) - 1:
                text, wrong = "This call was cut off. Nothing of it was done.", True
            elif self.bench.submission is not None:
                text, wrong = "Your proposal was taken already.", True
            elif index >= CALLS_A_TURN or self._calls > MOST_CALLS:
                text, wrong = f"Too many calls: at most {CALLS_A_TURN} in one answer.", True
            else:
                text, wrong = self._one(call)
            result: Block = {"type": "tool_result", "tool_use_id": call.id, "content": text}
            results.append({**result, "is_error": True} if wrong else result)
        if self._calls > MOST_CALLS and self.bench.submission is None:
            raise self._failed(f"the model made more than {MOST_CALLS} tool calls")
        return results

    def _one(self, call: ToolCallLike) -> tuple[str, bool]:
        try:
            checked = parse(call.tool, call.input, self.granted)
            return self.bench.do(checked), False
        except InvalidInput as problem:
            self._mistakes += 1
            if self._mistakes > MOST_MISTAKES:
                reason = name(self.bench.redact(str(problem)), 200)
                raise self._failed(
                    f"more than {MOST_MISTAKES} tool calls could not be carried out; "
                    f"the last: {reason}"
                ) from None
            return self.bench.redact(str(problem)), True

    def _remind(self) -> str:
        self._reminders += 1
        if self._reminders > MOST_REMINDERS:
            raise self._failed("the model ended its work without handing in a proposal")
        return (
            "You ended without handing in. Nobody reads questions or reports. Finish the edit "
            "and call `submit`."
        )

    def _note_sources(self, answer: AnswerLike) -> None:
        for source in answer.sources:
            known = {one.url for one in self.sources}
            if source.url not in known and len(self.sources) < MOST_SOURCES:
                self.sources.append(source)

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
        advice = _ADVICE.get(failure.trouble, "")
        raise self._failed(f"{failure}. {advice}".strip(), again=False)

    def _wait(self, failure: CallFailed, request: Request) -> Request:
        if self._waits >= len(WAITS_S):
            tries = self._waits + 1
            advice = _ADVICE[failure.trouble]
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
        if self._detail is SHORT:
            raise self._failed(
                "the context is too long for the model, also in its short form", again=False
            )
        self._detail = SHORT
        self.purse.forget()
        note = (
            "An earlier conversation became too long and is gone. The edits made in it are "
            "kept: `view` shows the files as they are now."
        )
        return _with_note(self.opening(SHORT), note)

    def _count_broken(self, what: str) -> None:
        self._broken += 1
        if self._broken > MOST_BROKEN:
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
