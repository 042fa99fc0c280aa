from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import parse
from tests.bot.lab import Lab, git

SVG = "docs/progress.svg"
SETTINGS = f'[report]\nsvg = "{SVG}"\n'


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project", SETTINGS)


def drawn(lab: Lab) -> str:
    return git(lab.folder, "show", f"main:{SVG}")


def test_every_verdict_redraws_the_chart_in_its_own_commit(lab: Lab) -> None:
    lab.experiment({"train.py": "RATE = 3.0\n"}, "Better")
    lab.until_idle()
    first = drawn(lab)
    assert "merged: improvement" in first
    measured = len(lab.measurer.measured)
    subject = lab.view().snapshot.subject
    lab.experiment({"train.py": "RATE = 9.0\n"}, "Worse")
    lab.until_idle()
    assert "closed: no gain shown" in drawn(lab)
    assert git(lab.folder, "log", "-1", "--format=%s", "--", SVG).startswith("Close experiment #2")
    assert (lab.folder / SVG).read_text().strip() == drawn(lab)
    assert lab.view().snapshot.subject == subject  # what is measured is the same
    assert lab.view().snapshot.baseline
    assert len(lab.measurer.measured) > measured
    assert git(lab.folder, "status", "--porcelain") == ""


def test_a_chart_that_cannot_be_drawn_stops_no_verdict(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(spec: object) -> str:
        raise RuntimeError("no fonts")

    monkeypatch.setattr("bot.report.image.svg", fail)
    lab.experiment({"train.py": "RATE = 3.0\n"}, "Better")
    lab.until_idle()
    assert git(lab.folder, "ls-tree", "--name-only", "main", SVG) == ""
    assert [entry.number for entry in lab.view().entries] == [1]
    assert f"The chart {SVG} was not redrawn: no fonts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ('[report]\nsvg = "../x.svg"\n', "plain relative path"),
        ('[report]\nsvg = "progress.png"\n', "does not end in .svg"),
        ('[report]\nsvg = "bot/x.svg"\n', "needed for something else"),
        ('[report]\nsvg = "a.svg"\n[scratchpad]\npath = "a.svg"\n', "name the same file"),
        ('[report]\nsvg = "a.svg"\n[candidate]\npaths = ["train.py", "A.svg"]\n', "A.svg, which"),
        ('[report]\nsvg = "train.py/x.svg"\n', "cannot be a file and the folder"),
    ],
)
def test_a_chart_that_cannot_be_there_is_one_clear_error(settings: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse(settings.encode())
