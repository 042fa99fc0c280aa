"""The statistics that decide: pure functions from finished runs to a decision.

    judge(evidence: Evidence, rule: VerdictRule) -> MoreRuns | Accept | Reject

`Evidence(candidate, baseline, direction, repeats, pairs, experiments_since_baseline)` is what
has been measured. `MoreRuns(candidate, baseline, purpose)` asks for so many more runs of each
side, interleaved on shared fresh seeds. `Accept(estimate, explanation)` and
`Reject(reason, estimate, explanation)` end the experiment. `VerdictRule` is `[verdict]` of
bot.toml. Evidence that breaks its contract raises `InvalidEvidence`.

Beside it: `judge_simplification` (equal but simpler), `check_guards` (secondary metrics),
`replication` (did a winner replicate), `judge_revert` (may it be taken back),
`expected_false_merges` (multiplicity). docs/verdict.md
explains the rule and shows what the simulator (`python -m bench verdict`) measures of it.
"""

from __future__ import annotations

from bot.verdict.evidence import (
    Accept,
    Decision,
    Evidence,
    InvalidEvidence,
    MoreRuns,
    Reject,
)
from bot.verdict.guards import Guard, GuardResult, check_guards
from bot.verdict.judge import judge
from bot.verdict.multiplicity import expected_false_merges
from bot.verdict.replication import Replication, replication
from bot.verdict.revert import judge_revert
from bot.verdict.rule import VerdictRule
from bot.verdict.simplify import SimplicityRule, judge_simplification

__all__ = [
    "Accept",
    "Decision",
    "Evidence",
    "Guard",
    "GuardResult",
    "InvalidEvidence",
    "MoreRuns",
    "Reject",
    "Replication",
    "SimplicityRule",
    "VerdictRule",
    "check_guards",
    "expected_false_merges",
    "judge",
    "judge_revert",
    "judge_simplification",
    "replication",
]
