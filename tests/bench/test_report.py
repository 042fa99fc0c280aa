from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import measure


@pytest.mark.slow
@pytest.mark.browser
def test_the_figures_of_the_report_are_taken_in_a_real_browser(tmp_path: Path) -> None:
    figures = measure(150, 1, tmp_path)
    assert figures["experiments"] == 150
    assert 0.5 < figures["page_mb"] < 3
    assert 0 < figures["open_cpu_s"] < figures["open_s"]
    assert figures["filter_s"] > 0


@pytest.mark.slow
@pytest.mark.browser
def test_a_long_history_opens_in_not_many_times_the_time_of_a_short_one(tmp_path: Path) -> None:
    figures = measure(10_000, 3, tmp_path)
    assert figures["open_s"] < 15 * figures["open_100_s"]
    assert figures["page_mb"] < 15
