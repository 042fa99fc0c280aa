from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.objectives import flawed, scattered
from bench.search import shipped
from bench.search_nights import by_proposer
from bot.history.fingerprint import exact
from bot.model import Direction, Proposal, Reason
from bot.policy.rules import Rules, check_files
from bot.proposers.base import Context, NothingToPropose, PastExperiment, PhaseGrant
from bot.proposers.constants import apply, find
from bot.proposers.evidence import observe
from bot.proposers.ranges import Choices, Range, Value
from bot.proposers.search import SearchProposer
from bot.proposers.space import MOST_TOGETHER, Space
from bot.proposers.weighing import weigh

SCRIPT = b"""\
import os

# --- constants (tunable) ---
RATE = 1e-3  # 1e-4 .. 1e-2, log; highest rate
CLAMP = 2.0  # 0.5 .. 5.0
DEPTH = 2  # 1 .. 6
POOL = "mean"  # one of: "mean", "max", "both"
USE_EMA = False
# --- end of constants ---

print(RATE)
"""


def context(
    source: bytes = SCRIPT,
    history: Sequence[PastExperiment] = (),
    *,
    number: int | None = None,
    seed: int = 0,
    baseline: float | None = 10.0,
    direction: Direction = Direction.LOWER,
    refused: Sequence[str] = (),
) -> Context:
    return Context(
        number=number or len(history) + 1,
        seed=seed,
        files={"train.py": source},
        entry="train.py",
        metric="mean_rank",
        direction=direction,
        baseline=baseline,
        history=tuple(history),
        refused=refused,
    )


def past(
    number: int,
    values: dict[str, Value],
    metric: float | None = 11.0,
    reason: Reason | None = Reason.WORSE,
    base: bytes = SCRIPT,
    comparable: bool = True,
) -> PastExperiment:
    files = {"train.py": apply(base, values)}
    return PastExperiment(
        number, "", reason, files, metric, 10.0, None, comparable, base_files={"train.py": base}
    )


def moved(proposal: Proposal, base: bytes = SCRIPT) -> dict[str, Value]:
    before, after = find(base).values, find(proposal.files["train.py"]).values
    return {name: value for name, value in after.items() if value != before[name]}


def propose(given_context: Context) -> Proposal:
    return SearchProposer().propose(given_context)


def play(
    rounds: int, judge: Callable[[dict[str, Value]], float], source: bytes = SCRIPT, seed: int = 0
) -> tuple[list[Proposal], bytes]:
    """The bot's loop without noise: merge what is better."""
    history: list[PastExperiment] = []
    proposals = []
    for number in range(1, rounds + 1):
        baseline = judge(find(source).values)
        proposal = propose(context(source, history, number=number, seed=seed, baseline=baseline))
        new = proposal.files["train.py"]
        metric = judge(find(new).values)
        reason = Reason.IMPROVEMENT if metric < baseline else Reason.WORSE
        files = {"train.py": source}
        history.append(
            PastExperiment(
                number, "", reason, proposal.files, metric, baseline, None, base_files=files
            )
        )
        proposals.append(proposal)
        source = new if metric < baseline else source
    return proposals, source


NEAR_MISSES: dict[str, Value] = {
    "RATE": 3e-3, "CLAMP": 3.5, "DEPTH": 4, "POOL": "max", "USE_EMA": True
}  # fmt: skip


def near_misses(metric: float = 9.8, base: bytes = SCRIPT) -> list[PastExperiment]:
    return [
        past(number, {name: value}, metric, Reason.NO_EVIDENCE, base)
        for number, (name, value) in enumerate(NEAR_MISSES.items(), 1)
    ]


def hopeless() -> list[PastExperiment]:
    """Both sides of everything were tried and are much worse."""
    tried: list[dict[str, Value]] = [
        {"RATE": 3e-3}, {"RATE": 3e-4}, {"CLAMP": 3.5}, {"CLAMP": 1.25}, {"DEPTH": 4},
        {"DEPTH": 1}, {"POOL": "max"}, {"POOL": "both"}, {"USE_EMA": True},
    ]  # fmt: skip
    return [past(number, values, 14.0) for number, values in enumerate(tried, 1)]


# Few changes at a time


@pytest.mark.parametrize("lines", [2, 3, 4, 9])
def test_no_more_is_changed_than_the_phase_allows(lines: int) -> None:
    phase = PhaseGrant(name="narrow", max_changed_lines=lines)
    given = replace(context(history=near_misses()), phase=phase)
    assert 1 <= len(moved(propose(given))) <= lines // 2


def test_the_best_near_misses_are_tried_together_where_not_all_may_be() -> None:
    history = near_misses()
    history[3] = replace(history[3], metric=9.7)
    given = replace(context(history=history), phase=PhaseGrant(name="narrow", max_changed_lines=4))
    proposal = propose(given)
    assert len(moved(proposal)) == 2 and moved(proposal)["POOL"] == "max"


def test_a_phase_that_allows_no_other_value_is_said() -> None:
    given = replace(context(), phase=PhaseGrant(name="narrow", max_changed_lines=1))
    with pytest.raises(NothingToPropose, match="raise max_changed_lines"):
        propose(given)


def test_a_proposal_changes_few_constants_and_no_other_byte() -> None:
    proposals, _ = play(20, lambda values: 10.0)
    for proposal in proposals:
        assert 1 <= len(moved(proposal)) <= MOST_TOGETHER
        assert apply(SCRIPT, moved(proposal)) == proposal.files["train.py"]


def test_near_misses_are_tried_together_and_the_hypothesis_says_what_and_why() -> None:
    proposal = propose(context(history=near_misses()))
    assert moved(proposal) == NEAR_MISSES
    text = proposal.hypothesis
    assert "near misses" in text.title
    assert "add up" in text.rationale
    for number, name in enumerate(NEAR_MISSES, 1):
        assert name in text.rationale
        assert f"experiment {number} took it from" in text.rationale
    assert "9.8 against 10" in text.rationale


def test_few_near_misses_wait_until_every_constant_has_been_tried() -> None:
    history = near_misses()
    assert set(moved(propose(context(history=history[:3])))) <= {"POOL", "USE_EMA"}
    history[3:] = [past(4, {"POOL": "max"}), past(5, {"USE_EMA": True})]
    assert moved(propose(context(history=history))) == {
        name: NEAR_MISSES[name] for name in ("RATE", "CLAMP", "DEPTH")
    }


def test_what_looked_worse_is_no_near_miss() -> None:
    history = [*near_misses()[:2], *near_misses(10.2)[2:]]
    assert moved(propose(context(history=history))) == {"RATE": 3e-3, "CLAMP": 3.5}


def test_a_near_miss_outside_of_the_ranges_is_not_tried_again() -> None:
    odd = past(3, {"DEPTH": 60}, 9.0, Reason.NO_EVIDENCE)
    history = [*near_misses()[:2], odd, *near_misses(10.2)[3:]]
    assert moved(propose(context(history=history))) == {"RATE": 3e-3, "CLAMP": 3.5}


def test_near_misses_are_tried_together_once() -> None:
    together = past(6, NEAR_MISSES, 9.9, Reason.NO_EVIDENCE)
    assert moved(propose(context(history=[*near_misses(), together]))) != NEAR_MISSES


def test_a_step_from_a_value_that_is_gone_is_no_near_miss() -> None:
    won = past(6, {"CLAMP": 4.4}, 6.0, Reason.IMPROVEMENT)
    wide = won.files["train.py"]
    later = past(7, {"CLAMP": 4.7}, 10.4, base=wide)  # so that the step is not followed
    proposal = propose(context(wide, [*near_misses(), won, later], baseline=6.0))
    expected = {name: value for name, value in NEAR_MISSES.items() if name != "CLAMP"}
    assert moved(proposal, wide) == expected


def test_a_step_that_made_it_worse_is_turned_round_once() -> None:
    lost = past(1, {"CLAMP": 3.5}, 12.0)
    proposal = propose(context(history=[lost]))
    (name, value), *rest = moved(proposal).items()
    assert (name, rest) == ("CLAMP", [])
    assert isinstance(value, float) and value < 2.0
    assert "other way" in proposal.hypothesis.rationale
    both = [lost, past(2, {"CLAMP": value}, 12.0)]
    assert "CLAMP" not in moved(propose(context(history=both)))


def test_the_other_way_of_a_small_value_is_off() -> None:
    source = b"SHARE = 0.1  # 0.0 .. 0.5\nOTHER = 1  # 1 .. 3\n"
    lost = past(1, {"SHARE": 0.3}, 12.0, base=source)
    assert moved(propose(context(source, [lost])), source) == {"SHARE": 0.0}


def test_every_constant_is_tried_alone_and_turned_round_before_any_is_refined() -> None:
    proposals, _ = play(8, lambda values: 10.0)  # three of the five have another side
    names = [name for proposal in proposals for name in moved(proposal)]
    assert len(names) == len(proposals)
    assert set(names) == set(find(SCRIPT).values)
    assert sorted(names.count(name) for name in set(names)) == [1, 1, 2, 2, 2]


def test_new_values_stay_in_their_ranges() -> None:
    domains = {constant.name: constant.domain for constant in find(SCRIPT).constants}
    for seed in range(3):
        for proposal in play(15, lambda values: 10.0, seed=seed)[0]:
            for name, value in moved(proposal).items():
                domain = domains[name]
                if isinstance(domain, Range):
                    assert not isinstance(value, str)
                    assert domain.low <= value <= domain.high
                else:
                    assert isinstance(domain, Choices)
                    assert value in domain.values


def test_a_step_that_was_merged_is_continued_in_its_direction() -> None:
    won = past(1, {"CLAMP": 3.5}, 4.0, Reason.IMPROVEMENT)
    proposal = propose(context(won.files["train.py"], [won], baseline=4.0))
    (name, value), *rest = moved(proposal, won.files["train.py"]).items()
    assert (name, rest) == ("CLAMP", [])
    assert isinstance(value, float) and 3.5 < value <= 5.0
    assert "Experiment 1" in proposal.hypothesis.rationale


def test_a_step_that_was_not_merged_is_not_continued() -> None:
    lost = past(1, {"CLAMP": 3.5}, 4.0, Reason.NO_EVIDENCE)
    assert "CLAMP" not in moved(propose(context(history=[lost])))


@pytest.mark.parametrize("direction", list(Direction))
def test_a_clamp_that_hurts_is_found_and_lifted(direction: Direction) -> None:
    def judge(values: dict[str, Value]) -> float:
        clamp = values["CLAMP"]
        assert isinstance(clamp, float)
        return 35.0 - 8.0 * min(clamp, 4.5)

    _, source = play(10, judge)
    clamp = find(source).values["CLAMP"]
    assert isinstance(clamp, float) and clamp >= 3.5


def test_refinement_learns_from_the_experiments_that_touched_a_constant() -> None:
    """After experiments that all lost upwards, TPE looks downwards more often than not."""
    down = up = 0
    for seed in range(12):
        history = [past(n, {"CLAMP": 3.5 + n / 10}, 20.0 + n) for n in range(1, 8)]
        history += [past(10 + n, {"CLAMP": 1.0 + n / 40}, 10.01) for n in range(3)]
        others: list[dict[str, Value]] = [
            {"RATE": 3e-3}, {"RATE": 3e-4}, {"DEPTH": 4}, {"DEPTH": 1}, {"POOL": "max"},
            {"USE_EMA": True},
        ]  # fmt: skip
        history += [past(20 + n, values) for n, values in enumerate(others)]
        value = moved(propose(context(history=history, seed=seed))).get("CLAMP")
        if isinstance(value, float):
            down, up = down + (value < 3.0), up + (value >= 3.0)
    assert down > up


def test_the_same_context_gives_the_same_proposal_and_another_seed_another() -> None:
    history = [past(1, {"RATE": 3e-3}), past(2, {"DEPTH": 4})]
    assert propose(context(history=history)) == propose(context(history=history))
    different = {propose(context(seed=seed)).files["train.py"] for seed in range(9)}
    assert len(different) > 1


def test_a_refused_proposal_is_not_simply_repeated() -> None:
    found = {
        propose(context(refused=["it changes nothing"] * times)).files["train.py"]
        for times in range(8)
    }
    assert len(found) > 1


def test_where_nothing_lets_expect_a_gain_tpe_chooses() -> None:
    for seed in range(3):
        rationale = propose(context(history=hopeless(), seed=seed)).hypothesis.rationale
        assert "TPE chose" in rationale and "14 against 10" in rationale


def test_a_value_that_failed_twice_is_not_weighed_again() -> None:
    source = b"CLAMP = 2  # 1 .. 3\n"

    def weighed(times: int) -> set[Value]:
        history = [past(n + 1, {"CLAMP": 3}, 9.0, Reason.NO_EVIDENCE, source) for n in range(times)]
        now = context(source, history)
        space = Space(now, find(source).constants, observe(now), random.Random(0))
        return {value for idea in weigh(space) for value in idea.values.values()}

    assert weighed(1) == {3}
    assert 3 not in weighed(2)


def test_moves_that_let_expect_a_gain_are_made_together_and_the_hypothesis_says_how_much() -> None:
    won = [
        past(1, {"RATE": 3e-3, "CLAMP": 3.5}, 9.3, Reason.NO_EVIDENCE),
        past(2, {"DEPTH": 4, "POOL": "max"}, 9.3, Reason.NO_EVIDENCE),
        past(3, {"USE_EMA": True}),
    ]
    proposal = propose(context(history=won))
    assert len(moved(proposal)) > 2
    assert proposal.hypothesis.title.startswith("Try")
    assert "% better from this value" in proposal.hypothesis.rationale
    assert "experiment 1 took it from" in proposal.hypothesis.rationale


# No repeats


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 25))
def test_nothing_that_was_measured_is_proposed_again(seed: int, length: int) -> None:
    proposals, _ = play(length + 1, lambda values: 10.0, seed=seed)
    marks = [exact(proposal.files) for proposal in proposals] + [exact({"train.py": SCRIPT})]
    assert len(set(marks)) == len(marks)


SMALL = b"A = True\nB = 1  # 1 .. 3\nC = 'x'  # one of: x, y\n"


def test_a_small_space_is_exhausted_without_a_repeat_and_then_says_so() -> None:
    history: list[PastExperiment] = []
    seen = set()
    with pytest.raises(NothingToPropose, match="widen a range"):
        for number in range(1, 50):
            proposal = propose(context(SMALL, history, number=number))
            seen.add(proposal.files["train.py"])
            history.append(past(number, moved(proposal, SMALL), base=SMALL))
    assert len(seen) == len(history)
    assert {
        apply(SMALL, values) for values in ({"A": False}, {"B": 2}, {"B": 3}, {"C": "y"})
    } <= seen


def test_where_every_choice_was_tried_alone_they_are_tried_together() -> None:
    switches = b"A = True\nB = False\nC = False\n"
    seen: set[frozenset[str]] = set()
    history: list[PastExperiment] = []
    with pytest.raises(NothingToPropose):
        for number in range(1, 50):
            values = moved(propose(context(switches, history, number=number)), switches)
            seen.add(frozenset(values))
            history.append(past(number, values, base=switches))
    assert len(history) == len(seen) == 2**3 - 1


def test_a_repeat_is_recognised_behind_other_comments() -> None:
    small = b"A = 1  # one of: 1, 2\n"
    commented = PastExperiment(
        1, "", Reason.WORSE, {"train.py": b"# why\nA = (2)\n"}, 11.0, 10.0, None
    )
    with pytest.raises(NothingToPropose):
        propose(context(small, [commented]))


def test_a_repeat_is_recognised_where_a_comment_has_made_more_of_it_tunable() -> None:
    before = b"A = True\nB = 'x'\n"
    now = b"A = True\nB = 'x'  # one of: x, y\n"
    files = {"train.py": before.replace(b"True", b"False")}
    tried = replace(past(1, {"A": False}, base=before), files=files, mark=exact(files))
    later = [past(2, {"B": "y"}, base=now), past(3, {"A": False, "B": "y"}, base=now)]
    with pytest.raises(NothingToPropose):
        propose(context(now, [tried, *later]))


def test_what_a_person_closed_unmeasured_is_not_proposed_again() -> None:
    small = b"A = 1  # one of: 1, 2\n"
    closed = past(1, {"A": 2}, None, Reason.BY_HUMAN, small, comparable=False)
    with pytest.raises(NothingToPropose):
        propose(context(small, [closed]))


def test_what_another_machine_measured_may_be_measured_here() -> None:
    small = b"A = 1  # one of: 1, 2\n"
    elsewhere = past(1, {"A": 2}, 11.0, Reason.WORSE, small, comparable=False)
    assert moved(propose(context(small, [elsewhere])), small) == {"A": 2}


def test_open_experiments_count_as_tried() -> None:
    names = set()
    history: list[PastExperiment] = []
    for number in range(1, 6):
        proposal = propose(context(history=history, number=number))
        names |= set(moved(proposal))
        history.append(past(number, moved(proposal), None, None))
    assert names == set(find(SCRIPT).values)


# Odd histories


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"x = 1\n", "# --- constants (tunable) ---"),
        (b"", "# --- constants (tunable) ---"),
        (b"A = 'text'  # 1 .. 2\n", "line 1: A"),
        (b"def (", "not valid Python"),
    ],
)
def test_a_script_without_tunable_constants_says_how_to_add_them(source: bytes, words: str) -> None:
    with pytest.raises(NothingToPropose) as caught:
        propose(context(source))
    assert words in str(caught.value) and "train.py" in str(caught.value)


def test_broken_experiments_and_broken_files_do_no_harm() -> None:
    history = [
        past(1, {"RATE": 3e-3}, None, Reason.CRASHED),
        past(2, {"DEPTH": 6}, None, Reason.OUT_OF_MEMORY),
        PastExperiment(3, "", Reason.CRASHED, {"train.py": b"\xff def ("}, None, None, None),
        PastExperiment(4, "", Reason.FORBIDDEN_CHANGE, {}, None, None, None),
        PastExperiment(
            5, "", Reason.WORSE, {"train.py": b"RATE = 'text'\nDEPTH = 1e9\n"}, 12, 10, None
        ),
        replace(past(6, {"CLAMP": 5.0}), base_files=None),
        past(7, {"POOL": "max", "USE_EMA": True}, 9.9, Reason.NO_EVIDENCE),
    ]
    for seed in range(6):
        assert moved(propose(context(history=history, seed=seed)))


def test_changes_of_other_code_teach_nothing_about_a_constant() -> None:
    rewritten = SCRIPT.replace(b"print(RATE)", b"print(RATE * 2)")
    other = past(1, {"CLAMP": 4.0}, 1.0, Reason.IMPROVEMENT)
    other = replace(other, files={"train.py": apply(rewritten, {"CLAMP": 4.0})})
    proposal = propose(context(other.files["train.py"], [other], baseline=1.0))
    assert "CLAMP" not in moved(proposal, other.files["train.py"])


def test_without_known_bases_the_chain_of_merges_is_followed() -> None:
    merged = replace(past(1, {"CLAMP": 3.5}, 5.0, Reason.IMPROVEMENT), base_files=None)
    lost = replace(past(2, {"DEPTH": 4}, 6.0, base=merged.files["train.py"]), base_files=None)
    proposals = [
        propose(context(merged.files["train.py"], [merged, lost], seed=seed)) for seed in range(8)
    ]
    assert all(moved(p, merged.files["train.py"]) == {"DEPTH": 1} for p in proposals)


# In words


def test_the_hypothesis_says_what_changes_and_why() -> None:
    for proposal in play(25, lambda values: 10.0)[0]:
        text = proposal.hypothesis
        assert len(text.title) <= 72 and text.title.isascii() and "\n" not in text.title
        assert text.title[0].isupper()
        assert all(name in text.title or len(text.title) > 60 for name in moved(proposal))
        assert all(name in text.rationale for name in moved(proposal))
        assert "mean_rank" in text.falsified_by
    first = propose(context(b"CLAMP = 2.0  # 0.5 .. 5.0\n"))
    assert first.hypothesis.title == "Raise CLAMP from 2.0 to 3.5"
    assert "Untried" in first.hypothesis.rationale


def test_titles_stay_short_and_plain_with_long_names_and_strange_values() -> None:
    source = f"{'A' * 90} = 'ü'  # one of: ü, é\n{'B' * 50} = 1.0\n".encode()
    for seed in range(6):
        title = propose(context(source, seed=seed)).hypothesis.title
        assert len(title) <= 72 and title.isascii() and title.isprintable()


def test_the_rationale_quotes_the_experiments_it_rests_on() -> None:
    proposal = propose(context(history=near_misses(12.5)))
    rationale = proposal.hypothesis.rationale
    assert "let expect" in rationale and "12.5 against 10" in rationale
    assert all(name in rationale for name in moved(proposal))


# Whole


def test_proposals_for_the_shipped_script_keep_the_rules() -> None:
    source = (Path(__file__).parents[3] / "train.py").read_bytes()
    rules = Rules(("train.py",), "train.py", 200_000)
    for proposal in play(12, lambda values: 10.0, source)[0]:
        assert check_files(proposal.files, rules, {"train.py": source}) == ()


def test_the_loop_improves_a_stand_in_objective() -> None:
    gains = []
    for seed in range(3):
        objective = scattered(find(SCRIPT).constants, seed, badly_set=1.0)
        gains.append(by_proposer(SCRIPT, objective, seed, 20).gain)
    assert sum(gains) / len(gains) > 0.05
    assert min(gains) >= -0.02


def test_a_planted_flaw_is_found_through_the_noise() -> None:
    found = by_proposer(shipped(), flawed(find(shipped()).constants, 0), 0)
    assert found.gain > 1.0 and found.runs > 42 and found.repeats == 0


def test_nothing_is_logged_and_optuna_is_imported_only_when_needed() -> None:
    program = (
        "import sys\n"
        "from tests.bot.proposers.test_search import context, hopeless, propose\n"
        "assert 'optuna' not in sys.modules\n"
        "propose(context(history=hopeless()))\n"
        "assert 'optuna' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
