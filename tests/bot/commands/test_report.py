from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli, main
from tests.bot.commands.helpers import bot, bot_json
from tests.bot.lab import Lab


def test_without_options_it_writes_a_page(history: Lab) -> None:
    done = bot("report")
    assert done.stderr == "Wrote report.html (3 experiments).\n"
    page = Path("report.html").read_text()
    assert "Triple the rate" in page
    assert "<script>alert(1)" not in page


def test_images_and_data(history: Lab, tmp_path: Path) -> None:
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    told = bot_json("report", "--svg", str(svg), "--png", str(png), "--markdown")
    assert told["svg"] == str(svg)
    assert (told["html"], told["experiments"]) == (None, 3)
    assert told["markdown"].startswith("## Experiments on mean_rank")
    assert svg.read_text().startswith("<svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert not Path("report.html").exists()


def test_an_image_that_cannot_be_written_is_one_clear_error(
    history: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bot", "report", "--svg", "missing/a.svg"])
    assert main() == 1
    assert "missing/a.svg: cannot be written" in capsys.readouterr().err


def test_watching_goes_with_nothing_else(history: Lab) -> None:
    done = CliRunner().invoke(cli, ["report", "--watch", "--json"])
    assert done.exit_code == 2
    assert "--watch only serves the page" in done.stderr
