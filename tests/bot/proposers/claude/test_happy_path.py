from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.history import beliefs
from bot.model import Direction, Estimate, Hypothesis, Reason
from bot.proposers.base import Context, PastExperiment, PhaseGrant, Remark, Revision
from bot.proposers.claude.proposer import NoKey
from tests.bot.proposers.claude.conftest import TRAIN, Researcher, make_context
from tests.bot.proposers.claude.server import (
    KEY,
    Script,
    Usage,
    answer,
    call,
    text,
    thinking,
)

SUBMIT: dict[str, Any] = {
    "title": "Double the rate",
    "rationale": "The curve is still falling at the end.",
    "expected": "About 1 rank lower.",
    "falsified_by": "No difference after three seeds.",
    "notes": "The rate seems too low.",
}
EDIT: dict[str, Any] = {"path": "train.py", "old": "RATE = 1.0", "new": "RATE = 2.0"}
BETTER = TRAIN.replace("RATE = 1.0", "RATE = 2.0").encode()


def past(number: int, rate: str, reason: Reason, difference: float) -> PastExperiment:
    estimate = Estimate(difference, difference - 1, difference + 1, 0.95, 10, 12, 3, 3, 4)
    return PastExperiment(
        number=number,
        title=f"Set the rate to {rate}",
        reason=reason,
        files={"train.py": TRAIN.replace("RATE = 1.0", f"RATE = {rate}").encode()},
        metric=12 + difference,
        baseline=12,
        estimate=estimate,
        base_files={"train.py": TRAIN.encode()},
    )


def results(script: Script, index: int) -> list[dict[str, Any]]:
    """The tool results in the last message of a request."""
    content = script.requests[index]["messages"][-1]["content"]
    return [block for block in content if block["type"] == "tool_result"]


def test_several_turns_of_tools_lead_to_a_proposal(
    researcher: Researcher, context: Context
) -> None:
    proposal = researcher.propose(
        context,
        answer(
            thinking(),
            text("I look."),
            call("view", path="train.py", first_line=None, last_line=None),
            call("history", query="rate", number=None, show="summary"),
        ),
        answer(call("edit", **EDIT)),
        answer(call("check")),
        answer(call("submit", **SUBMIT)),
    )
    assert proposal.files == {"train.py": BETTER}
    assert proposal.proposer == "claude"
    assert proposal.hypothesis.title == "Double the rate"
    assert proposal.hypothesis.falsified_by == "No difference after three seeds."
    assert proposal.notes == "The rate seems too low."
    script = researcher.script
    viewed = results(script, 1)[0]["content"]
    assert "RATE = 1.0" in viewed and "lines 1 to 11 of 11" in viewed
    assert "Fine: allowed, compiles, new. 2 changed lines." in results(script, 3)[0]["content"]
    assert len(script.requests) == 4


def test_thinking_goes_back_unchanged(researcher: Researcher, context: Context) -> None:
    researcher.propose(
        context,
        answer(thinking("deep"), call("edit", **EDIT)),
        answer(call("submit", **SUBMIT)),
    )
    echoed = researcher.script.requests[1]["messages"][1]
    assert echoed["role"] == "assistant"
    assert echoed["content"][0] == {"type": "thinking", "thinking": "deep", "signature": "c2ln"}


def test_an_exact_replacement_must_be_unique_and_the_model_is_told(
    researcher: Researcher, context: Context
) -> None:
    proposal = researcher.propose(
        context,
        answer(
            call("edit", path="train.py", old="WIDTH", new="W"),
            call("edit", path="train.py", old="nowhere", new="W"),
            call("edit", **EDIT),
        ),
        answer(call("submit", **SUBMIT)),
    )
    told = results(researcher.script, 1)
    assert [one.get("is_error", False) for one in told] == [True, True, False]
    assert "occurs 2 times" in told[0]["content"]
    assert "does not occur" in told[1]["content"]
    assert proposal.files == {"train.py": BETTER}


def test_the_prefix_is_stable_and_marked_for_the_cache(
    researcher: Researcher, context: Context
) -> None:
    researcher.propose(
        context,
        answer(call("check")),
        answer(call("edit", **EDIT)),
        answer(call("submit", **SUBMIT)),
    )
    first, second, third = researcher.script.requests
    assert first["system"] == second["system"] == third["system"]
    assert first["tools"] == second["tools"] == third["tools"]
    assert first["messages"][0] == second["messages"][0] == third["messages"][0]
    assert first["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert first["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert third["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    marks = json.dumps(third).count("cache_control")
    assert marks <= 4  # the interface takes no more


def test_the_tools_have_strict_schemas(researcher: Researcher, context: Context) -> None:
    researcher.propose(context, answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT)))
    tools = researcher.script.requests[0]["tools"]
    assert [tool["name"] for tool in tools] == [
        "view", "edit", "write", "history", "check", "submit",
    ]  # fmt: skip
    for tool in tools:
        assert tool["strict"] is True
        assert tool["input_schema"]["additionalProperties"] is False
        assert set(tool["input_schema"]["required"]) == set(tool["input_schema"]["properties"])


def test_what_it_cost_is_counted_with_the_cache(researcher: Researcher, context: Context) -> None:
    proposal = researcher.propose(
        context,
        answer(call("edit", **EDIT), usage=Usage(100, 50, 4_000, 0)),
        answer(call("submit", **SUBMIT), usage=Usage(200, 70, 500, 4_000)),
    )
    cost = proposal.cost
    assert (cost.input_tokens, cost.output_tokens, cost.calls) == (300, 120, 2)
    assert (cost.cache_write_tokens, cost.cache_read_tokens) == (4_500, 4_000)
    # Opus 5.5: 4 in, 20 out, 5 for a cache write, 0.20 for a cache read, per million
    assert cost.usd == pytest.approx((300 * 4 + 120 * 20 + 4_500 * 5 + 4_000 * 0.2) / 1e6)
    assert cost.priced


def test_progress_is_told_while_it_runs(researcher: Researcher, context: Context) -> None:
    researcher.propose(context, answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT)))
    assert any("answer 1: edit" in line for line in researcher.progress)
    assert any("answer 2: submit" in line for line in researcher.progress)


def test_model_and_effort_come_from_the_settings_and_a_phase_goes_before_them(
    researcher: Researcher,
) -> None:
    replies = [answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT))]
    researcher.propose(make_context(), *replies, model="claude-haiku-5-5", effort="low")
    assert researcher.script.requests[0]["model"] == "claude-haiku-5-5"
    assert researcher.script.requests[0]["output_config"] == {"effort": "low"}
    phase = PhaseGrant(model="claude-fable-5-1", effort="max")
    researcher.propose(make_context(phase=phase), *replies, model="claude-haiku-5-5")
    assert researcher.script.requests[-1]["model"] == "claude-fable-5-1"
    assert researcher.script.requests[-1]["output_config"] == {"effort": "max"}


def test_without_an_effort_the_model_keeps_its_own(
    researcher: Researcher, context: Context
) -> None:
    researcher.propose(context, answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT)))
    assert "output_config" not in researcher.script.requests[0]
    assert researcher.script.requests[0]["model"] == "claude-opus-5-5"


def test_the_context_tells_program_baseline_history_beliefs_and_remarks(
    researcher: Researcher,
) -> None:
    history = [
        past(1, "1.5", Reason.IMPROVEMENT, -2.0),
        past(2, "9.0", Reason.WORSE, 5.0),
        past(3, "1.7", Reason.NO_EVIDENCE, -0.4),
    ]
    context = make_context(
        history=history,
        scratchpad="# Beliefs\nThe rate matters.\n<!-- bot: recent experiments -->\nROWS\n"
        "<!-- bot: end of recent experiments -->\n",
        remarks=[Remark(2, "Ada", "Try a wider layer.")],
        phase=PhaseGrant(name="architecture", scope="Change the layers."),
    )
    researcher.propose(context, answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT)))
    told = researcher.script.requests[0]["messages"][0]["content"][0]["text"]
    for words in (
        "Lower the mean rank.", "`architecture`. Change the layers.", "baseline of now: 12.5",
        "#1 Set the rate to 1.5: improvement, difference -2", "Near misses", "The rate matters.",
        "Ada on experiment #2", "Try a wider layer.", "def train(steps)",
    ):  # fmt: skip
        assert words in told
    assert "ROWS" not in told
    assert told.index("Lower the mean rank") < told.index("def train")


def test_history_shows_a_diff_and_a_curve(researcher: Researcher) -> None:
    context = make_context(
        history=[past(4, "7.0", Reason.WORSE, 3.0)],
        curve=lambda number: [(1.0, 3.5), (2.0, 2.25)] if number == 4 else [],
    )
    researcher.propose(
        context,
        answer(
            call("history", query=None, number=4, show="diff"),
            call("history", query=None, number=4, show="curve"),
            call("history", query="7.0", number=None, show="summary"),
            call("history", query="zebra", number=None, show="summary"),
            call("history", query=None, number=99, show="diff"),
        ),
        answer(call("edit", **EDIT)),
        answer(call("submit", **SUBMIT)),
    )
    shown, curve, hit, miss, unknown = results(researcher.script, 1)
    assert "-RATE = 1.0\n+RATE = 7.0" in shown["content"]
    assert "2 s  loss 2.25" in curve["content"]
    assert "#4 Set the rate to 7.0" in hit["content"]
    assert "0 experiments found" in miss["content"]
    assert unknown["is_error"] and "no finished experiment #99" in unknown["content"]


def test_a_repeat_is_refused_before_it_is_handed_in(researcher: Researcher) -> None:
    context = make_context(history=[past(3, "2.0", Reason.WORSE, 3.0)])
    proposal = researcher.propose(
        context,
        answer(call("edit", **EDIT)),
        answer(call("submit", **SUBMIT)),
        answer(call("edit", path="train.py", old="WIDTH = 64", new="WIDTH = 8")),
        answer(call("submit", **SUBMIT)),
    )
    refused = results(researcher.script, 2)[0]
    assert refused["is_error"] and "experiment #3 tried the same code" in refused["content"]
    assert b"WIDTH = 8" in proposal.files["train.py"]


def test_a_near_repeat_is_shown_with_its_outcome_before_it_is_taken(
    researcher: Researcher,
) -> None:
    shared = TRAIN.replace("WIDTH = 64", "WIDTH = 32\nDEPTH = 2\nHEADS = 4\nDROP = 0.1")
    earlier = replace(
        past(3, "1.0", Reason.WORSE, 3.0), files={"train.py": shared.encode()}, title="Go deep"
    )
    mine = shared.replace("RATE = 1.0", "RATE = 2.0")
    proposal = researcher.propose(
        make_context(history=[earlier]),
        answer(call("write", path="train.py", content=mine)),
        answer(call("submit", **SUBMIT)),
        answer(call("submit", **SUBMIT)),
    )
    warned = results(researcher.script, 2)[0]["content"]
    assert "Not taken yet" in warned and "#3 Go deep: worse, difference +3" in warned
    assert proposal.files == {"train.py": mine.encode()}
    assert len(researcher.script.requests) == 3


def test_a_broken_proposal_is_repaired_from_its_own_files(researcher: Researcher) -> None:
    broken = {"train.py": TRAIN.replace("RATE = 1.0", "RATE = 2.0 +").encode()}
    revision = Revision(7, Hypothesis("Double", "Why"), broken, "NameError, line 3, in training")
    proposal = researcher.propose(
        make_context(revision=revision),
        answer(call("edit", path="train.py", old="RATE = 2.0 +", new="RATE = 2.0")),
        answer(call("submit", **SUBMIT)),
    )
    news = researcher.script.requests[0]["messages"][0]["content"][1]["text"]
    assert "#7 broke in its smoke run" in news and "NameError, line 3" in news
    assert proposal.files == {"train.py": BETTER}


def test_a_revision_is_no_near_repeat_of_what_it_revises(researcher: Researcher) -> None:
    shared = TRAIN.replace("WIDTH = 64", "WIDTH = 32\nDEPTH = 2\nHEADS = 4\nDROP = 0.1")
    files = {"train.py": shared.encode()}
    revised = replace(past(7, "1.0", Reason.WORSE, 3.0), files=files, reason=None)
    revision = Revision(7, Hypothesis("Go deep", "Why"), files, guidance="Double the rate, too.")
    proposal = researcher.propose(
        make_context(history=[revised], revision=revision),
        answer(call("edit", **EDIT)),
        answer(call("submit", **SUBMIT)),
    )
    assert proposal.files == {"train.py": shared.replace("RATE = 1.0", "RATE = 2.0").encode()}
    assert len(researcher.script.requests) == 2


def test_refusals_of_this_step_are_told_after_the_stable_part(researcher: Researcher) -> None:
    context = make_context(refused=["it changes only comments or formatting"])
    researcher.propose(context, answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT)))
    stable, news = researcher.script.requests[0]["messages"][0]["content"]
    assert "only comments" in news["text"] and "only comments" not in stable["text"]


def test_pages_of_the_web_come_only_with_a_phase_that_grants_them(researcher: Researcher) -> None:
    citation = {
        "type": "web_search_result_location", "url": "https://arxiv.org/abs/2403.10153",
        "title": "eCLIP\u202e", "cited_text": "x", "encrypted_index": "e",
    }  # fmt: skip
    evil = {**citation, "url": "https://evil.example/?k=1"}
    script_url = {**citation, "url": "javascript:alert(1)"}
    fetched = {
        "type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_1",
        "content": {
            "type": "web_fetch_result", "url": "https://www.arxiv.org/pdf/1",
            "content": {
                "type": "document", "title": "A paper",
                "source": {"type": "text", "media_type": "text/plain", "data": "words"},
            },
        },
    }  # fmt: skip
    used = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_fetch", "input": {}}
    phase = PhaseGrant(
        tools=PhaseGrant().tools | {"web_search", "web_fetch"}, web_domains=("arxiv.org",)
    )
    replies = [
        answer(
            used, fetched, text("so", [citation, evil, script_url]), call("edit", **EDIT),
            usage=Usage(searches=2, fetches=1),
        ),
        answer(call("submit", **SUBMIT)),
    ]  # fmt: skip
    proposal = researcher.propose(make_context(phase=phase), *replies)
    offered = {tool["name"]: tool for tool in researcher.script.requests[0]["tools"]}
    assert offered["web_search"]["allowed_domains"] == ["arxiv.org"]
    assert offered["web_fetch"]["url_sources"]["user_input"] == {"type": "none"}
    assert [source.url for source in proposal.sources] == [
        "https://www.arxiv.org/pdf/1",
        "https://arxiv.org/abs/2403.10153",
    ]
    assert proposal.sources[1].title == "eCLIP"
    assert (proposal.cost.web_searches, proposal.cost.web_fetches) == (2, 1)
    assert proposal.cost.usd > 0.02  # searches have a price of their own

    for no_web in (PhaseGrant(), PhaseGrant(tools=phase.tools), PhaseGrant(web_domains=("a.b",))):
        researcher.propose(make_context(phase=no_web), *_plain())
        names = [tool["name"] for tool in researcher.script.requests[-1]["tools"]]
        assert not {"web_search", "web_fetch"} & set(names)


def _plain() -> list[Any]:
    return [answer(call("edit", **EDIT)), answer(call("submit", **SUBMIT))]


def test_a_phase_can_take_tools_away_and_limit_the_size(researcher: Researcher) -> None:
    phase = PhaseGrant(tools=frozenset({"view", "edit"}), max_changed_lines=2)
    proposal = researcher.propose(
        make_context(phase=phase),
        answer(call("write", path="train.py", content="x = 1\n")),
        answer(call("edit", path="train.py", old="RATE = 1.0\nWIDTH = 64", new="RATE = 3\nW = 1")),
        answer(call("submit", **SUBMIT)),
        answer(call("edit", path="train.py", old="RATE = 3\nW = 1", new="RATE = 2.0\nWIDTH = 64")),
        answer(call("submit", **SUBMIT)),
    )
    script = researcher.script
    assert "no tool 'write'" in results(script, 1)[0]["content"]
    assert "4 changed lines, more than this phase allows (2)" in results(script, 3)[0]["content"]
    assert proposal.files == {"train.py": BETTER}


def test_the_key_is_used_and_told_to_nobody(researcher: Researcher, context: Context) -> None:
    proposal = researcher.propose(context, *_plain())
    assert set(researcher.script.keys) == {KEY}
    assert KEY not in researcher.script.told() + repr(proposal) + "".join(researcher.progress)


def test_without_a_key_it_says_what_to_do(
    researcher: Researcher, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    # The SDK would take these; the bot does not.
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "another-token")
    with pytest.raises(NoKey, match="ANTHROPIC_API_KEY"):
        researcher.propose(context, *_plain())
    assert researcher.script.requests == []


def test_a_higher_metric_is_told_as_better(researcher: Researcher) -> None:
    context = make_context(direction=Direction.HIGHER, baseline=None)
    researcher.propose(context, *_plain())
    told = researcher.script.requests[0]["messages"][0]["content"][0]["text"]
    assert "higher is better. The baseline of now: not measured yet" in told


def test_beliefs_that_are_too_long_have_to_be_condensed(
    researcher: Researcher, context: Context
) -> None:
    full = "\n".join(f"Belief {number} about the rate." for number in range(20))
    proposal = researcher.propose(
        replace(context, most_beliefs=300),
        answer(call("edit", **EDIT)),
        answer(call("submit", **{**SUBMIT, "notes": full})),
        answer(call("submit", **SUBMIT)),
    )
    assert "condense" in results(researcher.script, 2)[0]["content"]
    assert proposal.notes == SUBMIT["notes"]


def test_the_model_is_shown_the_beliefs_that_it_maintains_and_how_full_they_are(
    researcher: Researcher, context: Context
) -> None:
    pad = beliefs.write("# Scratchpad\n\nPeople's own.\n", ("The rate is low.", "Depth is fine."))
    researcher.propose(
        replace(context, scratchpad=pad, most_beliefs=40),
        answer(call("edit", **EDIT)),
        answer(call("submit", **{**SUBMIT, "notes": ""})),
    )
    told = json.dumps(researcher.script.requests[0])
    assert "- The rate is low.\\n- Depth is fine." in told
    assert "at most 40 characters together (32 are used)" in told and "nearly full" not in told
    assert "People's own." in told and "<!-- bot" not in told
