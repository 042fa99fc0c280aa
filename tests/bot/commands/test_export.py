from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli, main
from bot.views.export import COLUMNS
from tests.bot.commands.helpers import bot, bot_json
from tests.bot.lab import Lab, git


def test_csv_has_a_row_for_every_finished_experiment(history: Lab) -> None:
    rows = list(csv.DictReader(io.StringIO(bot("export").stdout)))
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert [row["reason"] for row in rows] == ["improvement", "worse", "crashed"]
    assert list(rows[0]) == list(COLUMNS)
    assert float(rows[0]["difference"]) == pytest.approx(-4, abs=0.5)
    assert rows[2]["metric"] == ""
    assert int(rows[2]["failed_runs"]) >= 1


def test_no_title_is_a_formula_of_a_spreadsheet(history: Lab) -> None:
    rows = list(csv.DictReader(io.StringIO(bot("export").stdout)))
    assert rows[2]["title"].startswith("'=cmd")
    assert rows[0]["difference"].startswith("-")  # numbers stay numbers


def test_json_lines_have_the_same_keys_and_the_words_as_they_are(history: Lab) -> None:
    rows = [json.loads(line) for line in bot("export", "--format", "jsonl").stdout.splitlines()]
    assert [list(row) for row in rows] == [list(COLUMNS)] * 3
    assert rows[2]["title"].startswith("=cmd")
    assert rows[2]["metric"] is None


def test_results_tsv_begins_with_the_baseline_and_has_the_notebooks_words(history: Lab) -> None:
    text = bot("export", "--format", "results.tsv").stdout
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert list(rows[0]) == ["commit", "val_bpb", "memory_gb", "status", "description"]
    assert [row["status"] for row in rows] == ["keep", "keep", "discard", "crash"]
    assert rows[0]["description"] == "baseline"
    assert float(rows[0]["val_bpb"]) == pytest.approx(14, abs=0.5)
    assert float(rows[1]["val_bpb"]) == pytest.approx(10, abs=0.5)
    assert (rows[3]["val_bpb"], rows[3]["memory_gb"]) == ("0.000000", "0.0")
    assert {len(row["commit"]) for row in rows} == {7}


def test_memory_is_told_in_gb(lab: Lab) -> None:
    lab.measurer.memory = lambda source: 3 * 2**29
    lab.experiment({"train.py": "# other\nRATE = 3.0\n"}, "Shorter")
    lab.until_idle()
    last = bot("export", "--format", "results.tsv").stdout.splitlines()[-1]
    assert last.split("\t")[2] == "1.5"
    assert bot_json("export", "--format", "jsonl")["text"].count(f'"memory_bytes": {3 * 2**29}')


def test_an_experiment_that_never_ran_is_no_result(lab: Lab) -> None:
    lab.experiment({"train.py": "RATE = 3.0\n"}, "Try it")
    git(lab.folder, "branch", "-D", "idea-1")
    lab.until_idle()
    assert bot("export", "--format", "results.tsv").stdout.count("\n") == 1
    assert "by-human" in bot("export").stdout


def test_it_writes_a_file(history: Lab, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    done = bot("export", "--output", str(file))
    assert (done.stdout, done.stderr) == ("", f"Wrote 3 experiments to {file}.\n")
    assert file.read_text() == bot("export").stdout
    told = bot_json("export", "--output", str(file))
    assert told == {"format": "csv", "experiments": 3, "file": str(file), "text": None}


def test_a_file_that_cannot_be_written_is_one_clear_error(
    history: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bot", "export", "--output", "missing/out.csv"])
    assert main() == 1
    assert "missing/out.csv: cannot be written" in capsys.readouterr().err


def test_a_metric_of_which_more_is_better_gets_a_note(history: Lab) -> None:
    (history.folder / "bot.toml").write_text('[metric]\nname = "accuracy"\ndirection = "higher"\n')
    done = CliRunner().invoke(cli, ["export", "--format", "results.tsv"])
    assert "the notebook looks for the least" in done.stderr
