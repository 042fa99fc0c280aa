from __future__ import annotations

import pytest

from bot.forge.base import Conclusion
from bot.history.ledger import LedgerEntry
from bot.model import Direction, Estimate, Hypothesis, Proposal, Purpose, Reason, Run, Side, Verdict
from bot.views import texts
from bot.views.change import summary
from bot.views.related import related_text
from bot.views.trend import trend

ESTIMATE = Estimate(-2.1, -2.5, -1.7, 0.95, 11.3, 13.4, 3, 3, 7.0)
RUNS = (
    (Side.BASELINE, Run("old", 1, "ok", 13.4, Purpose.TEST, "class")),
    (Side.CANDIDATE, Run("new", 1, "crashed", None, Purpose.TEST, "class")),
)


def test_the_headline_carries_the_number_that_people_want() -> None:
    verdict = Verdict(Reason.IMPROVEMENT, "Better.", ESTIMATE)
    assert texts.headline("mean_rank", verdict) == "mean_rank 11.3 (-2.1 ± 0.4)"


def test_without_a_number_the_headline_is_the_reason() -> None:
    assert texts.headline("mean_rank", Verdict(Reason.CRASHED, "It crashed.")) == "crashed"


@pytest.mark.parametrize(
    ("reason", "conclusion"),
    [
        (Reason.IMPROVEMENT, Conclusion.SUCCESS),
        (Reason.WORSE, Conclusion.NEUTRAL),
        (Reason.NO_EVIDENCE, Conclusion.NEUTRAL),
        (Reason.CRASHED, Conclusion.FAILURE),
        (Reason.TIMED_OUT, Conclusion.TIMED_OUT),
        (Reason.BY_HUMAN, Conclusion.CANCELLED),
    ],
)
def test_a_check_reads_as_what_happened(reason: Reason, conclusion: Conclusion) -> None:
    told = texts.Told("mean_rank", Verdict(reason, "So it is."), RUNS)
    check = texts.check("1.1", "head", told)
    assert check.conclusion is conclusion


def test_every_run_is_in_the_closing_comment() -> None:
    told = texts.Told("mean_rank", Verdict(Reason.WORSE, "Worse.", ESTIMATE), RUNS)
    text = texts.closing_comment(told)
    assert "| baseline | 1 | test | ok | 13.4 |" in text
    assert "| candidate | 1 | test | crashed |  |" in text


def test_a_path_in_a_verdict_is_only_text() -> None:
    verdict = Verdict(Reason.FORBIDDEN_CHANGE, "<img src=x>@admin fixes #1: may not be changed")
    told = texts.Told("mean_rank", verdict)
    for text in (texts.check("1.1", "head", told).summary, texts.closing_comment(told)):
        assert "<img" not in text
        assert "@admin" not in text
        assert "fixes #1" not in text


def test_text_of_a_proposer_is_inert_and_bounded() -> None:
    hypothesis = Hypothesis("T", "<script>@admin ![x](http://x)\n\n# Verdict: merged " * 200)
    body = texts.pull_body(Proposal(hypothesis, {}, "p"), "default")
    assert "<script" not in body
    assert "@admin" not in body
    assert "![x]" not in body
    assert "\n# Verdict" not in body
    assert len(body) < 2_500


def test_the_body_sums_the_change_up_and_names_what_was_tried_before() -> None:
    old = b"# --- constants (tunable) ---\nRATE = 1.0\n# --- end of constants ---\nprint(1)\n"
    new = old.replace(b"1.0", b"3.0") + b"print(2)\n"
    summed = summary({"train.py": old}, {"train.py": new}, "train.py")
    assert summed == "`RATE` 1.0 → 3.0; `train.py` +2 -1 lines"
    proposal = Proposal(Hypothesis("Raise RATE", "So."), {}, "list")
    body = texts.pull_body(proposal, "default", change=summed, before=related_text(()))
    assert "**Change.** `RATE` 1.0 → 3.0" in body
    assert "**Tried before.** No earlier experiment is like it." in body


def entry(number: int, value: float | None, reason: Reason = Reason.WORSE) -> LedgerEntry:
    return LedgerEntry(
        number=number,
        title="Try",
        reason=reason,
        phase="default",
        proposer="list",
        metric="mean_rank",
        direction=Direction.LOWER,
        value=value,
        baseline=None,
        difference=None,
        interval=None,
        level=None,
        seeds=1,
        duration_s=1.0,
        cost_usd=0.0,
        head="-",
        evidence='["class"]',
    )


def test_the_trend_shows_comparable_experiments_and_the_winners_among_them() -> None:
    entries = [entry(1, 14.0), entry(2, None), entry(3, 10.0, Reason.IMPROVEMENT), entry(4, 12.0)]
    assert trend("mean_rank", entries, "class") == (
        "**Trend.** mean_rank of the last 3 experiments, oldest first: █▁▅ (10 to 14); "
        "merged: #3 10."
    )
    assert trend("mean_rank", entries, "another") == ""


@pytest.mark.parametrize("value", [5.0, -1.7e308, 1.7e308])
def test_no_value_breaks_the_trend(value: float) -> None:
    text = trend("m", [entry(1, 1.7e308), entry(2, value), entry(3, value)], "class")
    assert text.startswith("**Trend.** m of the last 3 experiments")
