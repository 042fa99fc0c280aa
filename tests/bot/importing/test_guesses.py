"""What init guesses from files and outputs."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.git import Repository
from bot.importing import metric
from bot.importing.files import Plan, bot_toml
from bot.importing.guess import Told, guess
from bot.importing.metric import Guess
from bot.importing.project import CannotImport, Project
from bot.importing.reads import find_reads
from bot.importing.script import Start, as_told, find_script, how_started, read_line, takes_seed
from bot.settings import parse
from tests.bot.lab import git

TRAINS = "import os\nprint('loss', 1)\n"


def project(
    folder: Path, files: dict[str, str], untracked: dict[str, str] | None = None
) -> Project:
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Person")
    git(folder, "config", "user.email", "person@example.org")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Begin")
    for path, text in (untracked or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Project.of(Repository.discover(folder))


@pytest.mark.parametrize(
    ("files", "script"),
    [
        (["train.py", "model.py", "setup.py"], "train.py"),
        (
            ["src/app/train_model.py", "src/app/data.py", "tests/test_train.py"],
            "src/app/train_model.py",
        ),
        (["main.py", "util.py"], "main.py"),
        (["train.pl", "README.md"], "train.pl"),
        (["scripts/train.sh", "lib.c"], "scripts/train.sh"),
    ],
)
def test_the_likeliest_script_is_found(tmp_path: Path, files: list[str], script: str) -> None:
    assert find_script(project(tmp_path, dict.fromkeys(files, TRAINS)), None) == script


def test_of_equally_likely_scripts_a_person_chooses(tmp_path: Path) -> None:
    made = project(tmp_path, {"train_a.py": TRAINS, "train_b.py": TRAINS})
    with pytest.raises(CannotImport, match=r"train_a\.py, train_b\.py.*python -m bot init"):
        find_script(made, None)
    assert find_script(made, "train_b.py") == "train_b.py"
    with pytest.raises(CannotImport, match="no file that is committed"):
        find_script(made, "train_c.py")


def test_further_files_to_experiment_on_are_none_that_the_script_needs(tmp_path: Path) -> None:
    files = {"train.py": "import model, data\n" + TRAINS, "model.py": "", "data.py": "", "a.py": ""}
    made = project(tmp_path, files)
    plan = guess(made, Told(paths=("model.py", "a.py"), python=sys.executable), "main").plan
    assert plan.paths == ("train.py", "model.py", "a.py")
    assert plan.needs == ("data.py",)
    written = parse(bot_toml(plan).encode()).candidate
    assert (written.paths, written.entry) == (["train.py", "model.py", "a.py"], "train.py")
    with pytest.raises(CannotImport, match=r"--edit b\.py: this is no file"):
        guess(made, Told(paths=("model.py", "b.py")), "main")


def test_a_project_without_a_script_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="No training script"):
        find_script(project(tmp_path, {"README.md": "Hello."}), None)


@pytest.mark.parametrize(
    ("line", "command", "folder"),
    [
        ("$ python train.py --lr 1e-3", ("python", "train.py", "--lr", "1e-3"), "."),
        ("    python3.11 train.py  # on a laptop", ("python", "train.py"), "."),
        ("CUDA_VISIBLE_DEVICES=0 python train.py", ("python", "train.py"), "."),
        ("uv run train.py --x", ("python", "train.py", "--x"), "."),
        ("cd src && python train.py", ("python", "train.py"), "src"),
        ("\tbash train.py", ("bash", "train.py"), "."),
    ],
)
def test_a_line_says_how_the_script_is_started(
    line: str, command: tuple[str, ...], folder: str
) -> None:
    start = read_line(line, "train.py")
    assert start is not None
    assert (start.command, start.folder) == (command, folder)


@pytest.mark.parametrize(
    "line",
    [
        "See train.py.", "cat train.py", "python train.py | tee log", "python train.py > x",
        "python other.py", "python train.py $ARGS", "python 'train.py", "train.py", "",
    ],
)  # fmt: skip
def test_other_lines_do_not(line: str) -> None:
    assert read_line(line, "train.py") is None


@given(st.text(max_size=80))
def test_no_line_of_a_text_breaks_the_search(line: str) -> None:
    read_line(line, "train.py")
    read_line(f"python train.py {line}", "train.py")


def test_a_readme_goes_before_the_plain_way(tmp_path: Path) -> None:
    made = project(
        tmp_path,
        {
            "train.py": "import argparse\np.add_argument('--seed')\n" + TRAINS,
            "README.md": "Run\n\n```sh\npython train.py conf/a.py --seed 3\n```\n",
        },
    )
    start = how_started(made, "train.py")
    assert start.command == ("python", "train.py", "conf/a.py", "--seed", "{seed}")
    assert start.told_in == "README.md"


def test_a_command_that_a_person_gives_is_taken(tmp_path: Path) -> None:
    start = as_told("A=1 python3 -m pkg.train --seed=7", "pkg/train.py", ".", "")
    assert start.command == ("python", "-m", "pkg.train", "--seed={seed}")
    assert start.environment == {"A": "1"}
    assert takes_seed(start, "")
    with pytest.raises(CannotImport, match="no command line"):
        as_told("python 'x", "x", ".", "")


def test_imports_and_files_that_are_there_are_what_a_script_reads(tmp_path: Path) -> None:
    script = """
import os, json, torch
from model import net
from .near import x
import pkg.sub.leaf
open(os.path.join("data", "corpus.txt")); open("conf/a.json"); open("/etc/passwd"); open("nothing")
os.makedirs("out", exist_ok=True)
"""
    tracked = ["model/net.py", "model/__init__.py", "src/near.py", "conf/a.json", "conf/b.json"]
    tracked += ["pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/leaf.py", "pkg/other.py"]
    made = project(
        tmp_path,
        {"src/train.py": script} | dict.fromkeys(tracked, ""),
        {"data/corpus.txt": "x", "out/old": "x"},
    )
    reads = find_reads(made, Start("src/train.py", ("python", "src/train.py")))
    assert set(reads.needs) == {
        "conf/a.json", "model/net.py", "model/__init__.py", "src/near.py",
        "pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/leaf.py",
    }  # fmt: skip
    assert reads.mounts == ("data",)
    assert {"torch", "os", "json"} <= reads.modules
    assert not {"model", "pkg", "near"} & reads.modules


def test_data_beside_the_scripts_own_files_is_named_by_itself(tmp_path: Path) -> None:
    made = project(
        tmp_path,
        {"data/train.py": "open('data/big.bin')\nimport loader", "data/loader.py": "open('data')"},
        {"data/big.bin": "x", "data/more/a": "x"},
    )
    reads = find_reads(made, Start("data/train.py", ("python", "data/train.py")))
    assert "data/loader.py" in reads.needs
    assert "data/big.bin" in reads.mounts
    assert "data" not in reads.mounts


def test_arguments_of_other_languages_are_read_too(tmp_path: Path) -> None:
    made = project(tmp_path, {"t.awk": "{ print }", "conf.txt": ""}, {"rows.csv": "1"})
    reads = find_reads(made, Start("t.awk", ("awk", "-f", "t.awk", "conf.txt", "rows.csv")))
    assert (reads.needs, reads.mounts) == (("conf.txt",), ("rows.csv",))


@pytest.mark.parametrize(
    ("log", "name", "value", "direction"),
    [
        (
            "step 1: train loss 2.1, val loss 2.5\nstep 2: train loss 1, val loss 2.25",
            "val_loss",
            2.25,
            "lower",
        ),
        ("Epoch 3/3 - loss: 0.3 - acc: 0.9 - val_acc: 0.875 - 3s", "val_acc", 0.875, "higher"),
        ("Test set: Average loss: 0.05, Accuracy: 98%", "Accuracy", 98, "higher"),
        ("epoch 1 loss=0.5\nepoch 2 loss=0.25 lr=0.1", "loss", 0.25, "lower"),
        ("final loss = 0.5", "final_loss", 0.5, "lower"),
        ("Test accuracy is 0.75", "Test_accuracy", 0.75, "higher"),
        ('{"epoch": 1, "eval_rmse": 1.5}', "eval_rmse", 1.5, "lower"),
        ("val_bpb:          0.9979\ntraining_seconds: 300.1", "val_bpb", 0.9979, "lower"),
    ],
)
def test_the_metric_is_recognised_in_an_output(
    log: str, name: str, value: float, direction: str
) -> None:
    found = metric.in_output(log)
    assert found is not None
    assert (found.value, found.direction) == (value, direction)
    assert found.name.lower().endswith(name.lower())
    assert metric.value_in(log, found.table) == value


def test_an_output_without_a_metric_has_none() -> None:
    assert metric.in_output("step 1\ntime: 3 s\nlr 0.1\n") is None


@given(st.text(max_size=300))
def test_whatever_is_printed_the_pattern_that_is_proposed_reads_it(log: str) -> None:
    found = metric.in_output(log)
    if found is not None:
        assert metric.value_in(log, found.table) == found.value


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (
            'print(f"step {i}: train loss {a:.4f}, val loss {b:.4f}")',
            "step 1: train loss 2, val loss 0.5",
        ),
        ("print('accuracy: %.3f' % acc)", "accuracy: 0.500"),
        ('printf("val_mse=%f\\n", x)', "val_mse=0.5"),
        ('print("Validation loss:", x)', "Validation loss: 0.5"),
    ],
)
def test_a_metric_seen_in_the_source_is_found_in_the_output(source: str, line: str) -> None:
    found = metric.in_source(source)
    assert found is not None
    assert metric.value_in(line, found.table) == 0.5


@given(
    st.text(min_size=1, max_size=30).filter(lambda text: "\0" not in text and text.isprintable()),
    st.sampled_from([r"loss: (\S+)", "it's (.)", "\"('x)"]),
)
def test_the_proposed_settings_are_read_as_they_were_meant(word: str, pattern: str) -> None:
    plan = Plan(
        start=Start("train.py", ("sh", "-c", word), environment={"A": word}),
        paths=("train.py",),
        needs=("a b",),
        mounts=("data",),
        python=None,
        metric=Guess("val_loss", "higher", pattern),
        base="main",
        budget_s=12.5,
    )
    text = bot_toml(plan)
    settings = parse(text.encode())
    assert settings.candidate.command == ["sh", "-c", word]
    assert settings.candidate.environment == {"A": word}
    assert settings.metric.pattern == pattern
    assert settings.budget.cpu_s == 12.5
    assert tomllib.loads(text)["mount"] == [{"source": "data"}]
    assert settings.report.svg is None
    there = parse(bot_toml(replace(plan, on_github="my-lab/research")).encode())
    assert (there.forge.repository, there.report.svg) == ("my-lab/research", "docs/progress.svg")
