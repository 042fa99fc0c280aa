from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.audits.ledger import AuditEntry, Gain
from bot.commands.proposers import command
from bot.history.ledger import LedgerEntry
from bot.history.yardstick import records
from bot.model import Direction, Reason
from bot.proposing.propose import open_proposal
from tests.bot.lab import Lab, ListProposer


def entry(
    number: int, proposer: str, reason: Reason, difference: float | None = None
) -> LedgerEntry:
    return LedgerEntry(
        number=number,
        title="Try it",
        reason=reason,
        phase="tune",
        proposer=proposer,
        metric="loss",
        direction=Direction.LOWER,
        value=10.0,
        baseline=12.0,
        difference=difference,
        interval=None,
        level=None,
        seeds=1,
        duration_s=1800.0,
        cost_usd=0.5 if proposer == "claude" else 0.0,
        head="h",
        reverts=(1, 1) if reason is Reason.DID_NOT_REPLICATE else None,
    )


def audit(number: int, gain: float, session: int = 1) -> AuditEntry:
    confirmed = Gain(gain, gain - 1, gain + 1)
    return AuditEntry(number, "Try it", session, 1, True, confirmed, confirmed, 3, "s")


HISTORY = [
    entry(1, "search", Reason.IMPROVEMENT, -2.0),
    entry(2, "claude", Reason.WORSE, 1.0),
    entry(3, "claude", Reason.IMPROVEMENT, -6.0),
    entry(4, "search", Reason.NO_EVIDENCE, -0.1),
    entry(5, "claude", Reason.SIMPLER, 0.2),
    entry(6, "claude", Reason.DID_NOT_REPLICATE, -0.5),
]


def test_wins_and_confirmed_gain_for_each_experiment_dollar_and_hour() -> None:
    audits = [audit(1, 9.0), audit(1, 1.5, session=2), audit(3, 3.0)]
    search, claude = records(HISTORY, audits, "loss", Direction.LOWER)
    assert (search.proposer, search.experiments, search.wins) == ("search", 2, 1)
    assert (search.claimed, search.confirmed) == (2.0, 1.5), "the latest audit counts"
    assert search.gain_per_usd is None and search.gain_per_hour == pytest.approx(1.5)
    assert (claude.experiments, claude.wins, claude.audited) == (3, 2, 1)
    assert (claude.claimed, claude.confirmed, claude.usd) == (6.0, 3.0, 1.5)
    assert claude.gain_per_experiment == pytest.approx(1.0)
    assert claude.gain_per_usd == pytest.approx(2.0)
    assert claude.gain_per_hour == pytest.approx(2.0)


def test_a_gain_that_no_audit_has_shown_is_claimed_and_not_confirmed() -> None:
    search, _ = records(HISTORY, [], "loss", Direction.LOWER)
    assert (search.claimed, search.confirmed, search.audited) == (2.0, 0.0, 0)


def test_gains_in_another_metric_are_not_added_up() -> None:
    search, _ = records(HISTORY, [audit(1, 1.5)], "accuracy", Direction.HIGHER)
    assert (search.wins, search.claimed, search.confirmed) == (1, 0.0, 0.0)


def test_the_command_reads_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab.build(tmp_path / "project")
    open_proposal(lab.place, lab.view(), ListProposer([2.9], name="search"), lambda: 1)
    lab.until_idle()
    monkeypatch.chdir(lab.folder)
    done = CliRunner().invoke(command, ["--json"])
    assert done.exit_code == 0, done.output
    (record,) = json.loads(done.stdout)["proposers"]
    assert (record["proposer"], record["wins"]) == ("search", 1)
    assert record["claimed_gain"] == pytest.approx(4, abs=0.5) and record["gain_per_usd"] is None
    assert "search" in CliRunner().invoke(command, []).output
