"""What the model's own check says of a repeat is what the bot's gate says of it."""

from __future__ import annotations

import itertools

import pytest

from bot.history.fingerprint import exact
from bot.history.ledger import LedgerEntry
from bot.history.past import settled_by
from bot.model import Direction, Estimate, Reason
from bot.proposers.base import Context, PastExperiment
from bot.proposers.review import review

CLASS = "class-a"
BASE = {"train.py": b"RATE = 1\n"}
TRIED = {"train.py": b"RATE = 2\n"}


def entry(reason: Reason, *, compared: bool, here: bool, mark: str) -> LedgerEntry:
    return LedgerEntry(
        number=1,
        title="Try it",
        reason=reason,
        phase="default",
        proposer="claude",
        metric="rank",
        direction=Direction.LOWER,
        value=9.0 if compared else None,
        baseline=8.0 if compared else None,
        difference=1.0 if compared else None,
        interval=(0.5, 1.5) if compared else None,
        level=0.95,
        seeds=1,
        duration_s=1.0,
        cost_usd=0.0,
        head="h",
        fingerprint=mark,
        evidence=f'[["candidate", "{CLASS}"]]' if here else "[]",
    )


def told(of: LedgerEntry) -> Context:
    estimate = Estimate(1.0, 0.5, 1.5, 0.95, 9.0, 8.0, 1, 1, 1.0) if of.difference else None
    past = PastExperiment(
        number=of.number,
        title=of.title,
        reason=of.reason,
        files=TRIED,
        metric=of.value,
        baseline=of.baseline,
        estimate=estimate,
        comparable=CLASS in of.evidence,
        mark=of.fingerprint,
    )
    return Context(
        number=2,
        seed=0,
        files=BASE,
        entry="train.py",
        metric="rank",
        direction=Direction.LOWER,
        baseline=8.0,
        history=(past,),
    )


@pytest.mark.parametrize("reason", list(Reason))
def test_there_is_one_rule_for_an_exact_repeat(reason: Reason) -> None:
    mark = exact(TRIED)
    for compared, here, own in itertools.product((True, False), (True, False), (mark, "")):
        one = entry(reason, compared=compared, here=here, mark=own)
        refused = settled_by([one], mark, CLASS, by_bot=True) is not None
        assert review(TRIED, told(one)).fine is not refused, (compared, here, own)


def test_what_a_person_closed_only_a_person_may_try_again() -> None:
    mark = exact(TRIED)
    closed = entry(Reason.BY_HUMAN, compared=False, here=False, mark=mark)
    assert settled_by([closed], mark, CLASS, by_bot=True) == 1
    assert settled_by([closed], mark, CLASS, by_bot=False) is None
