from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from bench import night, night_report
from bench.journal import Line, journal, read
from bench.measuring import Code, Job, open_laboratory
from bench.night_lab import Lab as FinishedLab
from bench.searching import Search
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
        for number, value in enumerate((9.0, None, 4.0)):
            kept.append(line(f"trial {number}", value, study="tpe", number=number, RATE=number))
    options = ["--report", str(lab.folder), "--journal", str(path), "--json"]
    chart = tmp_path / "night.svg"
    assert night.main([*options, "--write", str(page), "--chart", str(chart)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["searches"]["tpe"] == {"runs": 3, "best": 4.0, "values": {"RATE": 2}}
    assert found["final"]["first baseline"]["sealed"] == [101.0, 102.0]
    text = page.read_text()
    assert "![All experiments over time](night.svg)" in text
    assert chart.read_text().startswith("<svg")
    assert re.search(r"lower by 75 % or more \| \+78\.8 % .*\| yes \|", text)
    assert re.search(r"as much as Optuna's TPE or more \| \+48\.2 % .*TPE \+36\.1 % .*yes \|", text)
    assert "| 95 % or more of the audited gains confirmed | not measured | not measured |" in text
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
    assert night.main([*options, "--runs", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["searches"]["random"]["runs"] == 2
    assert len(found["final"]["best of random search"]["sealed"]) == 2
    again = read(tmp_path / "night.jsonl")
    assert again[: len(lines)] == lines
    assert len(again) == len(lines) + 2 + 2  # random's trials, and its winner on both seeds


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
