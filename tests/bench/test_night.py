from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bench import night, night_compared, night_report
from bench.figures import Crossed, Sample
from bench.journal import Line, journal, read
from bench.measuring import Code, Job, open_laboratory
from bench.night_lab import Lab as FinishedLab
from bench.searching import Search
from bot.audits.ledger import AuditEntry, Gain
from bot.history.reduce import comparable_class
from bot.proposers.constants import find
from runner.client import current_class
from runner.settings_file import load
from tests.bench.test_headroom import make_project
from tests.bench.test_journal import line
from tests.bot.commands.helpers import a_short_history
from tests.bot.lab import COMPARABLE, Lab
from tests.runner.candidates import candidate


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab with three finished experiments. Nobody changes it."""
    made = Lab.build(tmp_path_factory.mktemp("night") / "lab")
    a_short_history(made)
    return made


def final_lines() -> list[Line]:
    """Five codes on two seeds: with the clamp 100, without 40, the bot's 20, TPE's 25."""
    sealed = {
        "first baseline": 100.0, "clamp relaxed": 40.0, "the bot's last baseline": 20.0,
        "best of TPE": 25.0, "best of random search": 30.0,
    }  # fmt: skip
    return [
        line(arm, value + seed, study="final", seed=seed, sealed=value + seed)
        for seed in (1, 2)
        for arm, value in sealed.items()
    ]


def test_a_finished_lab_is_read_from_its_ledger(lab: Lab) -> None:
    found = FinishedLab.open(lab.folder)
    assert b"RATE = 1.0" in found.baseline["train.py"]
    assert b"RATE = 3.0" in found.final["train.py"]
    runs = [attempt.runs for pull in lab.place.forge.pulls() for attempt in pull.attempts]
    assert found.runs == sum(map(len, runs))
    assert found.runner_class == COMPARABLE
    told = night_report.lab_json(found)
    assert (told["experiments"], told["kept"], told["closed"]) == (3, 1, 2)
    assert told["reasons"] == {"improvement": 1, "worse": 1, "crashed": 1}


def test_the_report_puts_the_lab_beside_the_searches_and_judges_the_targets(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- night: begin -->\n<!-- night: end -->\n")
    path = tmp_path / "night.jsonl"
    with journal(path) as kept:
        for each in final_lines():
            kept.append(each)
        runs = FinishedLab.open(lab.folder).runs
        for number, value in enumerate((9.0, None, 4.0, *[9.0] * (runs - 3))):
            kept.append(line(f"trial {number}", value, study="tpe", number=number, RATE=number))
    options = ["--report", str(lab.folder), "--journal", str(path), "--json"]
    chart = tmp_path / "night.svg"
    assert night.main([*options, "--write", str(page), "--chart", str(chart)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["searches"]["tpe"] == [
        {"search": 1, "runs": runs, "best": 4.0, "values": {"RATE": 2}}
    ]
    assert found["final"]["first baseline"]["sealed"] == [101.0, 102.0]
    text = page.read_text()
    assert "![All experiments over time](night.svg)" in text
    assert chart.read_text().startswith("<svg")
    assert re.search(r"lower by 75 % or more \| \+78\.8 % .*\| yes \|", text)
    told = r"Optuna's TPE or more \| \+48\.2 % .*TPE \+36\.1 % .*\| yes, against one search \|"
    assert re.search(told, text)
    assert re.search(r"\| TPE \| 1 \| \+12\.0 % \(\+12\.0 % to \+12\.0 %\) \|", text)
    assert "Searches: 1 of TPE, 0 of random search" in text
    assert "with one search none tells how much another search would" in text
    assert "confirmed by an audit | none of 1 kept was audited | not measured |" in text
    assert "&lt;script" in text or r"\<script" in text  # the title of a stranger's experiment


def test_what_was_not_measured_is_called_so_and_other_classes_do_not_count(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "night.jsonl"
    with journal(path) as kept:
        for each in final_lines():
            digests = each.measurement.digests.model_copy(update={"harness": "0" * 64})
            measured = each.measurement.model_copy(update={"digests": digests})
            kept.append(each.model_copy(update={"measurement": measured}))
    assert night.main(["--report", str(lab.folder), "--journal", str(path)]) == 0
    told = capsys.readouterr()
    assert "10 of 10 runs in the journals are not of the lab's runner class" in told.err
    assert "| first baseline | 0 | not measured | not measured |" in told.out
    assert "lower by 75 % or more | not measured | not measured |" in told.out


def test_a_lab_without_an_experiment_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = Lab.build(tmp_path / "lab")
    assert night.main(["--report", str(empty.folder)]) == 2
    assert "no experiment has been measured there yet" in capsys.readouterr().err


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_trial_depends_on_the_ones_before_it_alone(sampler: str) -> None:
    source = b"RATE = 1.0  # 0.1 .. 10.0, log\nPOOL = 'max'  # one of: 'max', 'mean'\n"
    search = Search(
        "s", "tpe" if sampler == "tpe" else "random", 1, {"train.py": source}, "train.py"
    )
    constants = find(source).constants
    done = [line(f"trial {n}", v, number=n, RATE=1.0 + n) for n, v in enumerate((3.0, None, 2.0))]
    assert search.values(constants, [], 0) == {"RATE": 1.0, "POOL": "max"}
    told = [search.values(constants, done, number) for number in (3, 3, 4)]
    assert told[0] == told[1] != told[2]
    assert 0.1 <= float(told[0]["RATE"]) <= 10.0


def test_a_night_is_searched_compared_and_goes_on_where_it_was(
    tmp_path: Path,
    measuring_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MERGELAB_CACHE", str(measuring_cache))
    monkeypatch.delenv("MERGELAB_CANDIDATE_PYTHON", raising=False)
    folder = make_project(tmp_path / "project")
    monkeypatch.setattr(night, "ROOT", folder)
    options = ["--journal", str(tmp_path / "night.jsonl"), "--seeds", "2", "--json"]
    assert night.main([*options, "--runs", "2", "--only", "tpe", "final"]) == 0
    first = capsys.readouterr()
    assert "random: 0 of 2 runs are done, so it is left out" in first.err
    found = json.loads(first.out)
    assert found["final"]["best of random search"] == {"validation": [], "sealed": []}
    assert len(found["final"]["best of TPE"]["sealed"]) == 2
    lines = read(tmp_path / "night.jsonl")
    here = current_class(folder, load(folder / "bot.toml"), lambda event: None)
    assert lines[0].place == comparable_class(here.runner_class.id, here.harness)  # as the bot's
    assert all((each.measurement.sealed is None) == (each.study != "final") for each in lines)
    assert night.main([*options, "--runs", "2", "--searches", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["searches"]["random"][0]["runs"] == 2
    assert len(found["final"]["best of random search"]["sealed"]) == 2
    again = read(tmp_path / "night.jsonl")
    assert again[: len(lines)] == lines
    assert len(again) == len(lines) + 2 + 2  # random's trials, and its winner on both seeds


def final_of(arm: str, *sealed: float) -> list[Line]:
    """Final runs of a code on seeds 1, 2 and so on."""
    return [line(arm, 9.0, study="final", seed=n, sealed=v) for n, v in enumerate(sealed, 1)]


def found_in(lines: list[Line], runs: int = 3) -> night_compared.Compared:
    return night_compared.compared(lines, runs, lines[0].place, lower=True)


def test_searches_are_kept_apart_by_their_seeds_and_count_as_repetitions() -> None:
    lines = [line(f"trial {n}", 5.0 + n, study=name, number=n)
             for name in ("tpe", "tpe 2", "random 3") for n in range(2)]  # fmt: skip
    lines += final_of("clamp relaxed", 40.0, 40.0) + final_of("the bot's last baseline", 20.0, 22.0)
    lines += final_of("best of TPE", 24.0, 26.0) + final_of("best of TPE, search 2", 18.0, 20.0)
    found = found_in(lines)
    assert {name: list(each) for name, each in found.searches.items()} == {
        "tpe": [1, 2], "random": [1, 3],
    }  # fmt: skip
    assert not found.complete("tpe")
    assert found_in(lines, 2).complete("tpe")
    assert not found_in(final_of("best of random search", 1.0), 2).complete("random")
    lead = found.lead("tpe", "clamp relaxed")
    assert lead is not None
    assert [value for row in lead.rows for value in row] == pytest.approx([0.1, 0.1, -0.05, -0.05])
    assert lead.mean == pytest.approx(0.025)
    assert lead.interval is not None
    assert lead.interval[0] < -0.5 < 0.5 < lead.interval[1]  # two searches tell very little
    told = night_report.comparison(found)
    assert "Searches: 2 of TPE, 1 of random search" in told
    assert "how much searches differ" in told
    assert "| best of TPE, search 2 | 2 |" in told


def test_an_interval_of_several_searches_is_wider_than_seeds_alone_make_it() -> None:
    rows = ((1.0, 1.1, 0.9), (3.0, 3.1, 2.9), (2.0, 2.1, 1.9))
    one, all_of_them = Crossed(rows[:1]).interval, Crossed(rows).interval
    assert one == Sample(rows[0]).interval
    assert all_of_them is not None
    assert one is not None
    assert all_of_them[1] - all_of_them[0] > 5 * (one[1] - one[0])
    assert Crossed(((1.0, 1.0), (1.0, 1.0))).interval == (1.0, 1.0)
    assert Crossed(((1.0,), (2.0,))).interval is None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((0.2, 0.21, 0.19), "yes"),
        ((-0.2, -0.21, -0.19), "no"),
        ((0.2, -0.1, 0.1), "not shown"),
        ((0.2,), "not shown"),
    ],
)
def test_a_target_is_met_where_the_whole_interval_says_so(
    values: tuple[float, ...], told: str
) -> None:
    assert night_report.reached(Sample(values), 0.0) == told
    assert night_report.reached(None, 0.0) == "not measured"


@pytest.mark.parametrize(
    ("kept", "replicated", "told", "met"),
    [
        (10, [True] * 10, "10 of 10 kept confirmed, 5 {shown}; 0 not, 0 not audited", "yes"),
        (10, [True] * 9, "9 of 10 kept confirmed, 5 {shown}; 0 not, 1 not audited", ""),
        (10, [True, False], "1 of 10 kept confirmed, 1 {shown}; 1 not, 8 not audited", "no"),
        (40, [True, False], "1 of 40 kept confirmed, 1 {shown}; 1 not, 38 not audited", ""),
        (2, [], "none of 2 kept was audited", "not measured"),
    ],
)
def test_gains_are_confirmed_only_if_all_of_them_were_audited(
    kept: int, replicated: list[bool], told: str, met: str
) -> None:
    gains = (Gain(2.0, 1.0, 3.0), Gain(2.0, -1.0, 5.0))
    audited = [
        SimpleNamespace(entry=SimpleNamespace(number=n, replicated=each, confirmed=gains[n % 2]))
        for n, each in enumerate(replicated)
    ]
    shown = "of them with a gain that the 95 % interval shows"
    lab = cast(FinishedLab, SimpleNamespace(winners=frozenset(range(kept)), audited=audited))
    assert night_report.confirmed(lab) == (told.format(shown=shown), met or night_report.NOT_SHOWN)


def test_runs_of_audits_count_where_a_verdict_came_after_them(lab: Lab) -> None:
    found = FinishedLab.open(lab.folder)
    verdicts = found.runs
    audit = AuditEntry(1, "t", 1, 1, replicated=True, claimed=None, confirmed=None, runs=5,
                       subject="s", after=2)  # fmt: skip
    early = replace(found, audits=(audit,))
    assert (early.audit_runs, early.runs, early.verdict_runs) == ((10, 0), verdicts + 10, verdicts)
    late = replace(found, audits=(replace(audit, after=3),))
    assert (late.audit_runs, late.runs) == ((0, 10), verdicts)


def test_a_command_that_is_confined_to_a_core_measures_on_that_core(
    tmp_path: Path, measuring_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERGELAB_CACHE", str(measuring_cache))
    monkeypatch.delenv("MERGELAB_CANDIDATE_PYTHON", raising=False)
    folder = make_project(tmp_path / "project")
    script = candidate(train="print('cores', sorted(os.sched_getaffinity(0)))")
    (folder / "train.py").write_text(script)
    cores = os.sched_getaffinity(0)
    core = max(cores)
    os.sched_setaffinity(0, {core})
    try:
        with journal(tmp_path / "runs.jsonl") as kept:
            laboratory = open_laboratory(kept, folder)
            job = Job("s", Code("a", {"train.py": script.encode()}), 1)
            (told,) = laboratory.measure([job])
    finally:
        os.sched_setaffinity(0, cores)
    assert f"cores [{core}]" in told.measurement.log_tail
    assert told.measurement.runner_class.device.endswith(" x1")
