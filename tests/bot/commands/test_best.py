from __future__ import annotations

from dataclasses import replace

import pytest

from bot.audits.ledger import AuditEntry, Gain
from bot.history.ledger import read
from bot.history.lineage import Lineage
from bot.model import Reason
from tests.bot.commands.helpers import bot, bot_json
from tests.bot.lab import Lab


def test_the_lineage_is_what_was_merged(history: Lab) -> None:
    told = bot_json("best")
    assert [one["number"] for one in told["lineage"]] == [1]
    assert told["lineage"][0]["audit"] == "not-audited"
    assert told["start"] == pytest.approx(14, abs=0.5)
    assert told["best"] == pytest.approx(10, abs=0.5)
    assert told["gain"] == pytest.approx(4, abs=0.5)
    assert told["taken_back"] == []


def test_it_is_told_in_words_as_well(history: Lab) -> None:
    done = bot("best")
    assert "Triple the rate" in done.stdout
    assert "Go too far" not in done.stdout
    assert "claimed in all +" in done.stderr


def test_nothing_was_merged_yet(lab: Lab) -> None:
    assert "Nothing was merged yet." in bot("best").stderr
    assert bot_json("best")["lineage"] == []


def test_a_winner_that_was_taken_back_is_no_ancestor(history: Lab) -> None:
    first, *_ = entries = read(history.folder, "main")
    revert = replace(first, number=9, reason=Reason.DID_NOT_REPLICATE, reverts=(1, 1), value=14.0)
    audit = AuditEntry(1, first.title, 1, 1, False, None, Gain(0.0, -1.0, 1.0), 3, "s")
    lineage = Lineage.of([*entries, revert], [audit])
    assert lineage.ancestors == ()
    assert lineage.taken_back == (1,)
    assert lineage.best == 14.0


def test_the_latest_audit_counts(history: Lab) -> None:
    entries = read(history.folder, "main")
    refuted = AuditEntry(1, "t", 1, 1, False, None, None, 3, "s")
    confirmed = replace(refuted, session=2, replicated=True)
    standings = [
        Lineage.of(entries, audits).ancestors[0].standing
        for audits in ([], [refuted], [refuted, confirmed])
    ]
    assert standings == ["not-audited", "did-not-replicate", "replicated"]
