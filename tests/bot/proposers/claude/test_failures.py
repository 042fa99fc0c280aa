"""Every way in which the service, the network or the model can fail: typed, bounded, told."""

from __future__ import annotations

import json
from typing import Any, get_args

import anthropic
import pytest
from anthropic.types import Model

from bot.proposers.account import Left
from bot.proposers.base import Context, ProposalFailed
from bot.proposers.claude import ClaudeProposer
from bot.proposers.claude.pricing import PRICES, WITHOUT_PRICE
from bot.proposers.claude.proposer import NoKey, PriceUnknown
from bot.proposers.tables import ClaudeTable
from tests.bot.proposers.claude.conftest import Researcher, make_context
from tests.bot.proposers.claude.server import (
    KEY,
    Reply,
    Usage,
    answer,
    broken_off,
    call,
    error,
    error_inside,
    lines,
    raw_call,
    text,
    thinking,
)
from tests.bot.proposers.claude.test_happy_path import BETTER, EDIT, SUBMIT, results

WORKS: list[Reply] = [answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT))]


def failure(
    researcher: Researcher, context: Context, *replies: Reply, **settings: Any
) -> ProposalFailed:
    with pytest.raises(ProposalFailed) as caught:
        researcher.propose(context, *replies, **settings)
    return caught.value


# ---------------------------------------------------------------------------------------------
# the service


def test_overload_before_an_answer_is_waited_out(researcher: Researcher, context: Context) -> None:
    replies = [error(529, "overloaded_error")] * 3 + WORKS
    proposal = researcher.propose(context, *replies)
    assert proposal.files == {"train.py": BETTER}
    assert researcher.slept == [2.0]  # after the SDK's own two tries
    assert any("overloaded: waiting 2 s" in line for line in researcher.progress)


def test_overload_inside_a_stream_is_waited_out_and_what_came_is_paid(
    researcher: Researcher, context: Context
) -> None:
    proposal = researcher.propose(context, error_inside("overloaded_error"), *WORKS)
    assert researcher.slept == [2.0]
    assert proposal.cost.calls == 3
    assert proposal.cost.input_tokens == 3_000


def test_a_service_that_stays_overloaded_ends_the_proposal(
    researcher: Researcher, context: Context
) -> None:
    failed = failure(researcher, context, error_inside("overloaded_error"))
    assert researcher.slept == [2.0, 8.0, 30.0]
    assert "4 times in a row" in str(failed) and "again later" in str(failed)
    assert not failed.again
    assert failed.cost.calls == 4


def test_a_rate_limit_waits_as_long_as_it_is_told(researcher: Researcher, context: Context) -> None:
    limited = error(429, "rate_limit_error", headers={"retry-after": "7"})
    researcher.propose(context, limited, limited, limited, *WORKS)
    assert researcher.slept == [7.0]


def test_a_wait_is_bounded_whatever_the_server_says(
    researcher: Researcher, context: Context
) -> None:
    limited = error(429, "rate_limit_error", headers={"retry-after": "86400"})
    failed = failure(researcher, context, limited)
    assert researcher.slept == [60.0] * 3
    assert "rate limit" in str(failed)


@pytest.mark.parametrize(
    ("status", "kind", "message", "advice"),
    [
        (401, "authentication_error", "invalid x-api-key", "Check ANTHROPIC_API_KEY"),
        (403, "permission_error", "not yours", "Check ANTHROPIC_API_KEY"),
        (402, "billing_error", "pay", "Add credit"),
        (400, "invalid_request_error", "Your credit balance is too low", "Add credit"),
        (404, "not_found_error", "model: nonsense", "Check claude.model"),
        (400, "invalid_request_error", "effort: not supported", "Check the model and"),
    ],
)
def test_what_a_person_must_put_right_is_said_at_once(
    researcher: Researcher, context: Context, status: int, kind: str, message: str, advice: str
) -> None:
    failed = failure(researcher, context, error(status, kind, message))
    assert advice in str(failed) and message in str(failed)
    assert len(researcher.script.requests) == 1
    assert not failed.again and not failed.cost


def test_a_broken_off_stream_is_asked_for_again(researcher: Researcher, context: Context) -> None:
    cut = broken_off(call("edit", **EDIT), after=4)
    proposal = researcher.propose(context, cut, *WORKS)
    assert proposal.files == {"train.py": BETTER}
    assert len(researcher.script.requests) == 3


def test_a_server_that_is_not_there_ends_the_proposal(
    researcher: Researcher, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("anthropic._base_client.INITIAL_RETRY_DELAY", 0.0, raising=False)
    failed = failure(researcher, context, *WORKS)
    assert "the connection failed" in str(failed) and "Check the connection" in str(failed)


@pytest.mark.parametrize(
    ("variable", "value", "advice"),
    [
        ("ANTHROPIC_BASE_URL", "ftp://127.0.0.1", "Check ANTHROPIC_BASE_URL"),
        ("ANTHROPIC_BASE_URL", "nonsense", "Check ANTHROPIC_BASE_URL"),
        ("HTTPS_PROXY", "http://here:noport", "Check ANTHROPIC_BASE_URL and the proxy"),
        ("HTTPS_PROXY", "pigeon://here", "Check the variables ANTHROPIC_"),
    ],
)
def test_an_environment_that_leads_nowhere_is_named_at_once(
    researcher: Researcher,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    advice: str,
) -> None:
    monkeypatch.setattr("anthropic._base_client.INITIAL_RETRY_DELAY", 0.0)
    monkeypatch.setenv(variable, value)
    failed = failure(researcher, context, *WORKS)
    assert advice in str(failed)
    assert not failed.again and not failed.passing and researcher.slept == []


@pytest.mark.parametrize(
    ("raised", "advice"),
    [
        (anthropic.AnthropicError("odd"), "Check the variables ANTHROPIC_"),
        (anthropic.CredentialsError("odd"), "Check ANTHROPIC_API_KEY"),
        (anthropic.RetryableError("odd"), "Check the variables ANTHROPIC_"),
        (TypeError("no authentication method"), "Check the variables ANTHROPIC_"),
    ],
)
def test_an_error_of_the_sdk_itself_is_typed_and_says_what_to_do(
    researcher: Researcher,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    advice: str,
) -> None:
    def send(*arguments: object, **more: object) -> None:
        raise raised

    monkeypatch.setattr("anthropic.resources.messages.Messages.stream", send)
    failed = failure(researcher, context, *WORKS)
    assert advice in str(failed) and "odd" not in str(failed)
    assert not failed.again and not failed.cost


def test_a_key_that_no_header_can_carry_is_named_before_it_is_sent(
    researcher: Researcher, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "“sk-ant-quoted-by-an-editor”")
    with pytest.raises(NoKey, match="Copy it again"):
        researcher.propose(context, *WORKS)


def test_every_model_that_the_sdk_names_has_a_price_or_is_known_to_have_none() -> None:
    named = {name for kind in get_args(Model) for name in get_args(kind)}
    assert len(named) > 15
    assert named == PRICES.keys() | WITHOUT_PRICE
    assert not PRICES.keys() & WITHOUT_PRICE


@pytest.mark.parametrize("model", sorted(WITHOUT_PRICE))
def test_a_cap_in_dollars_and_a_model_without_a_price_do_not_go_together(
    researcher: Researcher, model: str
) -> None:
    capped = make_context(left=Left(usd=1.0))
    with pytest.raises(PriceUnknown, match=r"claude\.price_input"):
        researcher.propose(capped, *WORKS, model=model)
    assert researcher.script.requests == []
    proposal = researcher.propose(make_context(), *WORKS, model=model)
    assert not proposal.cost.priced and "or more" in str(proposal.cost)


def test_an_answer_in_flight_is_counted_by_what_its_stream_told(
    researcher: Researcher, context: Context
) -> None:
    def interrupt(words: str) -> None:
        if words.startswith("answer 2: submit"):
            raise KeyboardInterrupt

    proposer = ClaudeProposer(ClaudeTable(), progress=interrupt)
    long = text("I think of it. " * 200)
    researcher.script.replies = [
        answer(call("edit", **EDIT)),
        answer(long, call("submit", **SUBMIT), usage=Usage(input_tokens=7_000)),
    ]
    with pytest.raises(KeyboardInterrupt):
        proposer.propose(context)
    spent = proposer.spent
    assert spent.calls == 2
    assert spent.input_tokens == 1_000 + 7_000
    assert spent.output_tokens == 200 + 3_000 // 3  # that of the second from its length so far
    assert spent.usd > 0 and spent.priced


def test_a_refusal_drops_the_proposal(researcher: Researcher, context: Context) -> None:
    details = {"type": "refusal", "category": "frontier_llm", "explanation": None}
    failed = failure(researcher, context, answer(text("I"), stop="refusal", stop_details=details))
    assert "refused to go on (frontier_llm)" in str(failed)
    assert not failed.again
    assert failed.cost.tokens == 1_200


def test_a_context_that_is_too_long_is_told_once_more_in_short(researcher: Researcher) -> None:
    program = "Lower the rank. " * 1_000
    too_long = error(400, "invalid_request_error", "prompt is too long: 1100000 > 1000000")
    proposal = researcher.propose(make_context(program=program), too_long, *WORKS)
    assert proposal.files == {"train.py": BETTER}
    first, second, _ = researcher.script.requests
    assert len(json.dumps(second)) < len(json.dumps(first)) - 5_000


def test_an_overflow_in_the_middle_keeps_the_edits(
    researcher: Researcher, context: Context
) -> None:
    proposal = researcher.propose(
        context,
        answer(call("edit", **EDIT)),
        answer(text("and so"), stop="model_context_window_exceeded"),
        answer(call("submit", **SUBMIT)),
    )
    assert proposal.files == {"train.py": BETTER}
    restarted = researcher.script.requests[2]["messages"]
    assert len(restarted) == 1
    assert "The edits made in it are kept" in restarted[0]["content"][-1]["text"]


def test_a_context_that_is_too_long_even_in_short_is_given_up(
    researcher: Researcher, context: Context
) -> None:
    failed = failure(researcher, context, error(413, "request_too_large"))
    assert "too long for the model" in str(failed)
    assert len(researcher.script.requests) == 2


def test_a_paused_turn_is_gone_on_with(researcher: Researcher, context: Context) -> None:
    proposal = researcher.propose(context, answer(text("I search"), stop="pause_turn"), *WORKS)
    assert proposal.files == {"train.py": BETTER}
    second = researcher.script.requests[1]["messages"]
    assert [message["role"] for message in second] == ["user", "assistant"]


# ---------------------------------------------------------------------------------------------
# the model's answers


def test_an_answer_that_was_cut_off_does_nothing_of_its_last_call(
    researcher: Researcher, context: Context
) -> None:
    half = raw_call("edit", json.dumps(EDIT)[:-12])
    proposal = researcher.propose(context, answer(call("check"), half, stop="max_tokens"), *WORKS)
    checked, cut = results(researcher.script, 1)
    assert "changes nothing" in checked["content"]
    assert cut["is_error"] and "cut off" in cut["content"]
    assert proposal.files == {"train.py": BETTER}


def test_thinking_that_was_cut_off_is_not_sent_back(
    researcher: Researcher, context: Context
) -> None:
    researcher.propose(context, answer(thinking("long"), stop="max_tokens"), *WORKS)
    second = researcher.script.requests[1]["messages"]
    assert [message["role"] for message in second] == ["user"]
    assert "cut off" in second[0]["content"][-1]["text"]


def test_answers_that_are_always_cut_off_are_given_up(
    researcher: Researcher, context: Context
) -> None:
    failed = failure(researcher, context, answer(text("and then"), stop="max_tokens"))
    assert "more than 3 answers were of no use" in str(failed)
    assert len(researcher.script.requests) == 4
    assert failed.again


@pytest.mark.parametrize("written", ['{"path": nonsense', "}}}", '{"path" "x"}', "\x00"])
def test_tool_input_that_is_no_json_is_told_to_the_model(
    researcher: Researcher, context: Context, written: str
) -> None:
    proposal = researcher.propose(context, answer(raw_call("edit", written)), *WORKS)
    assert proposal.files == {"train.py": BETTER}
    told = researcher.script.requests[1]["messages"][-1]["content"][-1]["text"]
    assert "not valid JSON" in told
    assert proposal.cost.calls == 3


def test_a_model_that_never_writes_json_is_given_up(
    researcher: Researcher, context: Context
) -> None:
    failed = failure(researcher, context, answer(raw_call("edit", '{"path": nonsense')))
    assert "of no use" in str(failed)
    assert len(researcher.script.requests) == 4


@pytest.mark.parametrize(
    "bad",
    [
        call("edit", path="train.py"),
        call("edit", path="train.py", old=1, new=2),
        call("edit", **EDIT, extra="x"),
        call("view", path="train.py", first_line=True, last_line=None),
        call("shell", command="env"),
        call("submit", **{**SUBMIT, "title": ""}),
        call("submit", **{**SUBMIT, "title": "x" * 151}),
        raw_call("edit", "[1, 2]"),
        raw_call("check", '"text"'),
    ],
)
def test_invalid_tool_input_is_answered_and_can_be_mended(
    researcher: Researcher, context: Context, bad: dict[str, Any]
) -> None:
    proposal = researcher.propose(context, answer(bad), *WORKS)
    (told,) = results(researcher.script, 1)
    assert told["is_error"] is True
    assert proposal.files == {"train.py": BETTER}


def test_mistakes_are_counted_and_end_the_proposal(
    researcher: Researcher, context: Context
) -> None:
    failed = failure(researcher, context, answer(call("edit", path="other.py", old="a", new="b")))
    assert "more than 10 tool calls could not be carried out" in str(failed)
    assert len(researcher.script.requests) == 11


def test_a_model_that_stops_without_handing_in_is_reminded_twice(
    researcher: Researcher, context: Context
) -> None:
    failed = failure(researcher, context, answer(text("What do you think?")))
    assert "without handing in" in str(failed)
    assert len(researcher.script.requests) == 3
    proposal = researcher.propose(context, answer(text("Hm.")), *WORKS)
    assert proposal.files == {"train.py": BETTER}


def test_a_model_that_never_hands_in_is_stopped(researcher: Researcher, context: Context) -> None:
    looks = answer(call("view", path="train.py", first_line=None, last_line=None))
    failed = failure(researcher, context, looks, max_turns=7)
    assert "within 7 answers" in str(failed)
    assert len(researcher.script.requests) == 7


@pytest.mark.parametrize(
    "nonsense",
    [
        ["data: not json", ""],
        ["event: message_start", "data: {}", ""],
        ["event: message_start", 'data: {"type": "message_start", "message": 3}', ""],
        ["event: content_block_delta", 'data: {"type": "content_block_delta"}', ""],
        ["event: message_start", "data: [", ""],
        ["event: error", "data: not json", ""],
        ["event: error", 'data: {"type": "error"}', ""],
        [""],
        ["\ufffd" * 1_000],
    ],
)
def test_a_stream_of_nonsense_is_a_typed_failure(
    researcher: Researcher, context: Context, nonsense: list[str]
) -> None:
    failed = failure(researcher, context, lines(*nonsense))
    assert len(researcher.script.requests) <= 4
    assert len(str(failed)) < 600


def test_a_delta_for_a_block_that_never_began_is_a_typed_failure(
    researcher: Researcher, context: Context
) -> None:
    begun = {
        "type": "message_start",
        "message": {
            "id": "m", "type": "message", "role": "assistant", "content": [], "model": "m",
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": 5, "output_tokens": 1},
        },
    }  # fmt: skip
    delta = {"type": "text_delta", "text": "x"}
    event = {"type": "content_block_delta", "index": 5, "delta": delta}
    written: list[str] = []
    for one in (begun, event):
        written += [f"event: {one['type']}", f"data: {json.dumps(one)}", ""]
    failed = failure(researcher, context, lines(*written))
    assert "cannot be read" in str(failed) or "of no use" in str(failed)
    assert failed.cost.input_tokens == 5 * failed.cost.calls


# ---------------------------------------------------------------------------------------------
# caps


def test_a_cap_in_dollars_is_never_passed(researcher: Researcher) -> None:
    looks = answer(
        call("view", path="train.py", first_line=None, last_line=None),
        usage=Usage(20_000, 1_000),
    )
    context = make_context(left=Left(usd=0.60))
    failed = failure(researcher, context, looks, max_turns=200)
    assert failed.capped and not failed.again
    assert "cap of bot.toml" in str(failed)
    assert 0.2 < failed.cost.usd <= 0.60


def test_an_answer_is_shortened_to_what_is_left(researcher: Researcher) -> None:
    context = make_context(left=Left(usd=0.20))
    researcher.propose(context, *WORKS)
    # 32,000 tokens of output would cost $0.64
    assert 1_024 <= researcher.script.requests[0]["max_tokens"] < 10_000


def test_a_cap_in_tokens_is_never_passed(researcher: Researcher) -> None:
    looks = answer(
        call("view", path="train.py", first_line=None, last_line=None),
        usage=Usage(9_000, 1_000),
    )
    failed = failure(researcher, make_context(left=Left(tokens=60_000)), looks, max_turns=200)
    assert failed.capped
    assert failed.cost.tokens <= 60_000


def test_with_nothing_left_nothing_is_asked(researcher: Researcher) -> None:
    failed = failure(researcher, make_context(left=Left(usd=0.001)), *WORKS)
    assert failed.capped and not failed.cost
    assert researcher.script.requests == []


def test_one_proposal_has_a_limit_of_its_own(researcher: Researcher, context: Context) -> None:
    looks = answer(
        call("view", path="train.py", first_line=None, last_line=None), usage=Usage(9_000, 1_000)
    )
    failed = failure(researcher, context, looks, max_proposal_tokens=50_000, max_turns=200)
    assert "claude.max_proposal_tokens" in str(failed)
    assert failed.cost.tokens <= 50_000 and not failed.capped


def test_a_model_without_a_price_counts_tokens_only(
    researcher: Researcher, context: Context
) -> None:
    cost = researcher.propose(context, *WORKS, model="claude-next-9").cost
    assert cost.tokens == 2_400 and not cost.priced and cost.usd == 0


def test_a_cap_in_dollars_refuses_a_model_without_a_price(researcher: Researcher) -> None:
    context = make_context(left=Left(usd=5.0))
    with pytest.raises(PriceUnknown, match=r"claude\.price_input"):
        researcher.propose(context, *WORKS, model="claude-next-9")
    assert researcher.script.requests == []
    cost = researcher.propose(
        context, *WORKS, model="claude-next-9", price_input=10, price_output=100
    ).cost
    assert cost.priced and cost.usd == pytest.approx((2_000 * 10 + 400 * 100) / 1e6)


# ---------------------------------------------------------------------------------------------
# words


def test_the_words_of_an_error_hold_no_secret_and_no_control_characters(
    researcher: Researcher, context: Context
) -> None:
    message = f"bad header {KEY} \x1b[31m {'x' * 5_000}"
    failed = failure(researcher, context, error(400, "invalid_request_error", message))
    assert KEY not in str(failed) and "\x1b" not in str(failed)
    assert "[redacted]" in str(failed)
    assert len(str(failed)) < 600
