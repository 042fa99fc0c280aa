from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.audits.ledger import AuditEntry, Gain
from bot.commands.proposers import command
from bot.history.cost import Cost
from bot.history.ledger import LedgerEntry
from bot.history.yardstick import records
from bot.model import Direction, Proposal, Reason
from bot.proposers.base import Context, ProposalFailed, Proposer
from bot.proposers.portfolio import Portfolio
from bot.proposing.propose import NoProposal, open_proposal
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


def test_proposals_that_came_to_nothing_count_against_their_proposer() -> None:
    noted = {"claude": 6.0, "command": 2.0}
    audits = [audit(3, 3.0)]
    search, claude, command_ = records(HISTORY, audits, "loss", Direction.LOWER, noted)
    assert (claude.usd, claude.gain_per_usd) == (6.0, 0.5)
    assert (search.usd, search.gain_per_usd) == (0.0, None)
    assert (command_.proposer, command_.experiments, command_.usd) == ("command", 0, 2.0)


def test_in_a_clone_without_the_notes_the_ledgers_costs_count() -> None:
    _, claude = records(HISTORY, [], "loss", Direction.LOWER, {"claude": 0.5})
    assert claude.usd == 1.5


class _Failing:
    """A proposer that costs something and comes to nothing."""

    name = "claude"

    def propose(self, context: Context) -> Proposal:
        del context
        raise ProposalFailed("no idea", Cost(usd=0.75, calls=1))


def test_what_a_failed_proposal_cost_is_noted_under_the_name_of_its_proposer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab.build(tmp_path / "project")
    searching = ListProposer([2.9], name="search")
    members: dict[str, Proposer] = {"claude": _Failing(), "search": searching}
    both = Portfolio(members.__getitem__, {"claude": 1, "search": 1})
    with pytest.raises(NoProposal):
        open_proposal(lab.place, lab.view(), both, lambda: 1)
    monkeypatch.chdir(lab.folder)
    (record,) = json.loads(CliRunner().invoke(command, ["--json"]).stdout)["proposers"]
    assert (record["proposer"], record["experiments"]) == ("claude", 0)
    assert record["usd"] == pytest.approx(0.75 * lab.place.settings.proposer.attempts)


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
