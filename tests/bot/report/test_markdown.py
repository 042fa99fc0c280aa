from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.audits import ledger as auditlog
from bot.model import Direction, Reason
from bot.report.build import history_of
from bot.report.data import History, history
from bot.report.markdown import image_address, summary_of
from tests.bot.lab import Lab
from tests.bot.report.conftest import make_place

GITHUB = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "lab/project"}
NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?|\.\d+)")  # the grammar of Mermaid's XY charts
WITH_SVG = '[report]\nsvg = "docs/progress.svg"\n'


def test_the_summary_has_figures_a_chart_and_the_latest_experiments(programme: Path) -> None:
    place = make_place(programme)
    text = summary_of(place, history_of(place), {})
    assert "| experiments | 120 | " in text
    assert "\nxychart-beta\n" in text
    assert "\n| 120 | Change constant" in text
    assert "\n| 100 |" not in text


def numbers(text: str, kind: str) -> list[float]:
    """The data of one series of the Mermaid chart, all in the one form that Mermaid can read."""
    found = re.search(rf"^  {kind} \[(.*)\]$", text, re.MULTILINE)
    assert found
    words = found[1].split(", ")
    assert all(NUMBER.fullmatch(word) for word in words), words
    return [float(word) for word in words]


def scaled(found: History, factor: float) -> History:
    """The same in another unit."""
    rows = [
        [row | {"value": None if row["value"] is None else factor * row["value"]} for row in kept]
        for kept in (found.experiments, found.best)
    ]
    return replace(found, experiments=rows[0], best=rows[1])


def test_without_a_committed_chart_mermaid_draws_every_experiment_and_the_best(
    programme: Path,
) -> None:
    place = make_place(programme)
    found = history_of(place)
    text = summary_of(place, found, {})
    judged = [row for row in found.experiments if row["value"] is not None]
    bars, best = numbers(text, "bar"), numbers(text, "line")
    assert len(bars) == len(best) == len(judged)
    low, high = found.domain or (0, 0)
    assert bars == pytest.approx([min(max(row["value"], low), high) for row in judged], rel=1e-4)
    assert best == sorted(best, reverse=True), "lower is better"
    assert best[-1] == pytest.approx(found.best[-1]["value"], rel=1e-4)
    merged = [index for index, row in enumerate(judged) if row["verdict"] == "merged"]
    assert [best[index] for index in merged] == pytest.approx([bars[index] for index in merged])
    assert f"experiments {judged[0]['number']} to {judged[-1]['number']}" in text


@pytest.mark.parametrize("largest", [3.2e-5, 1.2e6, -3.2e-5])
def test_metrics_of_any_size_can_be_drawn(programme: Path, largest: float) -> None:
    place = make_place(programme)
    found = history_of(place)
    values = [row["value"] for row in found.experiments if row["value"] is not None]
    found = scaled(found, largest / max(values))
    text = summary_of(place, found, {})
    assert numbers(text, "line")[-1] == pytest.approx(found.best[-1]["value"], rel=1e-4)
    assert len(numbers(text, "bar")) == len(values)
    axis = re.search(r"^  y-axis .* (\S+) --> (\S+)$", text, re.MULTILINE)
    assert axis and all(NUMBER.fullmatch(end) for end in axis.groups())
    assert [float(end) for end in axis.groups()] == pytest.approx(found.domain, rel=1e-4)


def test_experiments_without_a_baseline_are_drawn_without_a_best(programme: Path) -> None:
    place = make_place(programme)
    entries, audits = auditlog.read(programme, "main")
    early = [replace(entry, baseline=None, reason=Reason.WORSE) for entry in entries[:9]]
    found = history(early, audits, "mean_rank", Direction.LOWER)
    assert found.best == []
    text = summary_of(place, found, {})
    assert len(numbers(text, "bar")) > 1
    assert "  line [" not in text and "The line is" not in text


def test_the_committed_chart_is_shown_on_github(programme: Path) -> None:
    place = make_place(programme, WITH_SVG)
    address = "https://github.com/lab/project/raw/main/docs/progress.svg"
    assert f"]({address})" in summary_of(place, history_of(place), GITHUB)
    odd = make_place(programme, '[report]\nsvg = "docs/my (own) chart.svg"\n')
    assert image_address(odd, GITHUB) == address.replace("progress", "my%20%28own%29%20chart")
    assert image_address(place, {**GITHUB, "GITHUB_REPOSITORY": "a/b) <script>"}) is None
    assert image_address(make_place(programme), GITHUB) is None


def test_words_of_strangers_are_inert(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project")
    lab.experiment({"train.py": "RATE = 3.0\n"}, "![x](http://e) @team | <script> fixes #1")
    lab.until_idle()
    text = summary_of(lab.place, history_of(lab.place), {})
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert "<script" not in row
    assert "![x]" not in row
    assert "@team" not in row
    assert row.count(" | ") == 4
