from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.cli import main
from bot.proposers.briefing import sections
from bot.proposing.context import context
from bot.report.build import content_of
from bot.report.page import render
from bot.settings import parse
from bot.text.hygiene import Fence, Secrets
from tests.bot.commands.helpers import bot, bot_json
from tests.bot.history.test_imported import RESULTS
from tests.bot.lab import Lab, git


@pytest.fixture
def results(tmp_path: Path) -> Path:
    file = tmp_path / "results.tsv"
    file.write_text(RESULTS + "x\t1.0\t1.0\tkeep\t<script>alert(1)</script>\n")
    return file


def test_it_becomes_a_file_on_the_base_branch(history: Lab, results: Path) -> None:
    before = git(history.folder, "rev-parse", "main")
    told = bot_json("import", str(results))
    assert (told["experiments"], told["keep"], told["discard"], told["crash"]) == (4, 2, 1, 1)
    assert told["commit"] == git(history.folder, "rev-parse", "main")
    assert git(history.folder, "diff", "--name-only", before, "main") == "imported.tsv"
    assert git(history.folder, "status", "--porcelain") == ""
    assert bot_json("import", str(results))["commit"] is None  # once is enough


def test_it_is_never_evidence(history: Lab, results: Path) -> None:
    kinds = (("status",), ("log",), ("best",), ("export",))
    before = [bot_json(*command) for command in kinds]
    snapshot = history.view().snapshot
    bot("import", str(results))
    after = [bot_json(*command) for command in kinds]
    for one in (before[0], after[0]):
        del one["base"]
    assert after == before
    now = history.view().snapshot
    assert (now.subject, now.baseline, now.repeats) == (
        snapshot.subject,
        snapshot.baseline,
        snapshot.repeats,
    )


def test_people_see_it_in_the_report_apart_from_the_rest(history: Lab, results: Path) -> None:
    bot("import", str(results))
    page = render(content_of(history.place))
    section = page.partition("<h2>From elsewhere</h2>")[2].partition("</section>")[0]
    assert "switch to GeLU" in section
    assert "no evidence here" in section
    assert "<script>alert" not in page


def test_proposers_that_read_are_told_of_it_as_data(history: Lab, results: Path) -> None:
    bot("import", str(results))
    settings = parse(b'[proposer]\nname = "command"\n[command]\nargv = ["/bin/true"]\n')
    place = replace(history.place, settings=settings)
    fence = Fence.new(Secrets())
    told = {one.title: one.text for one in sections(context(place, history.view()), fence)}
    text = told["Experiments from elsewhere"]
    assert "nothing vouches for the numbers" in text
    assert f"[data {fence.mark}: imported experiments]" in text
    assert "switch to GeLU" in text


def test_looking_changes_nothing(history: Lab, results: Path) -> None:
    before = git(history.folder, "rev-parse", "main")
    assert "nothing was changed" in bot("import", str(results), "--dry-run").stdout
    assert git(history.folder, "rev-parse", "main") == before


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("missing.tsv", None, "missing.tsv: cannot be read"),
        ("bad.tsv", "a\tb\n", "bad.tsv, line 1: the column val_bpb is missing"),
    ],
)
def test_bad_input_is_one_clear_error(
    history: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str | None,
    problem: str,
) -> None:
    if text is not None:
        Path(name).write_text(text)
    monkeypatch.setattr("sys.argv", ["bot", "import", name])
    assert main() == 1
    assert problem in capsys.readouterr().err


def test_another_history_is_not_written_over(
    history: Lab,
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bot("import", str(results))
    results.write_text(RESULTS)
    monkeypatch.setattr("sys.argv", ["bot", "import", str(results)])
    assert main() == 1
    assert "imported.tsv is on main already" in capsys.readouterr().err
