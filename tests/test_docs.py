from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import click
import pytest
from click.testing import CliRunner

from bench.__main__ import available
from bot.actions import Conclude
from bot.cli import cli as bot_cli
from bot.decide import decide
from bot.model import Reason
from bot.run import heartbeat
from bot.run.base import Concluded
from bot.run.state import Phase, SlotState, State
from bot.settings import Settings, parse
from bot.views.pull import PULL_KEYS
from bot.views.summary import concluded_json
from docs import make_reference
from docs.make_reference import TOP
from docs.reference.commands import commands_of
from docs.reference.configuration import table_of
from docs.reference.json_keys import JSON_KEYS
from docs.reference.models import texts_of
from runner.cli import cli as runner_cli
from runner.result import Status
from runner.task.build import needed_bytes
from runner.task.compose import RECIPES, Composer, SizeName
from tests.bot.lab import TRAIN, Lab

DOCUMENTS = sorted(file for file in [TOP / "README.md", *TOP.glob("docs/*.md")] if file.is_file())
COMMAND_LINES: dict[str, click.Group] = {"bot": bot_cli, "runner": runner_cli}
TASK = (TOP / "docs" / "task.md").read_text()
CONCEPTS = (TOP / "docs" / "concepts.md").read_text()


# The generated pages


def test_the_generated_pages_are_up_to_date() -> None:
    script = [sys.executable, str(TOP / "docs" / "make_reference.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_page_that_is_missing_or_changed_is_noticed_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_reference, "TOP", tmp_path)
    (tmp_path / "docs").mkdir()
    assert make_reference.main(["--check"]) == 1
    assert "docs/commands.md is not up to date: run `make docs`" in capsys.readouterr().err
    assert list((tmp_path / "docs").iterdir()) == []
    assert make_reference.main([]) == 0
    assert make_reference.main(["--check"]) == 0
    page = tmp_path / "docs" / "configuration.md"
    page.write_text(page.read_text() + "more\n")
    assert make_reference.main(["--check"]) == 1


@pytest.mark.parametrize("table", Settings.model_fields)
def test_every_setting_has_a_description(table: str) -> None:
    model = table_of(Settings.model_fields[table])
    texts = texts_of(model)
    assert [key for key in model.model_fields if not texts.get(key)] == []


def test_the_example_of_the_configuration_is_valid() -> None:
    text = (TOP / "docs" / "configuration.md").read_text()
    example = text.partition("```toml\n")[2].partition("```")[0]
    settings = parse(example.encode())
    wanted = tomllib.loads(example)
    assert settings.model_dump(exclude_unset=True) == wanted
    assert settings != Settings()


@pytest.mark.parametrize("package", COMMAND_LINES)
def test_every_option_and_argument_has_a_meaning(package: str) -> None:
    for name, command in commands_of(COMMAND_LINES[package]):
        for option in command.params:
            record = option.get_help_record(click.Context(command))
            assert record is None or record[1], f"{package} {name}: {option.name}"


# The keys of --json


def test_the_keys_of_every_command_with_json_are_documented() -> None:
    with_json = {
        (package, name)
        for package, group in COMMAND_LINES.items()
        for name, command in commands_of(group)
        if any("--json" in option.opts for option in command.params)
    }
    assert with_json == set(JSON_KEYS)
    assert all(meaning for keys in JSON_KEYS.values() for meaning in keys.values())


def strict_json(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is not JSON")

    value = json.loads(text, parse_constant=refuse)
    assert isinstance(value, dict)
    return value


def printed_keys(value: Mapping[str, Any], documented: Mapping[str, str], at: str = "") -> set[str]:
    """The keys of `value`; below one without documented keys of its own nothing is looked at."""
    found = set()
    for key, inner in value.items():
        name = f"{at}{key}"
        found.add(name)
        if isinstance(inner, dict) and any(known.startswith(f"{name}.") for known in documented):
            found |= printed_keys(inner, documented, f"{name}.")
        if isinstance(inner, list) and any(known.startswith(f"{name}[].") for known in documented):
            for item in inner:
                found |= printed_keys(item, documented, f"{name}[].")
    return found


def assert_documented(package: str, command: str, *values: Mapping[str, Any]) -> None:
    keys = JSON_KEYS[package, command]
    assert set().union(*(printed_keys(value, keys) for value in values)) == set(keys)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab.build(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


def bot(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(bot_cli, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return strict_json(done.stdout)


def conclude(lab: Lab) -> Concluded:
    """What `step` does, with a scripted measurer."""
    while True:
        view = lab.view()
        action = decide(view.snapshot)[0]
        if isinstance(action, Conclude):
            lab.executor.conclude(action, view)
            return Concluded(lab.place.forge.pull(action.number), action.verdict)
        lab.act(action)


def test_the_bots_commands_print_the_documented_keys(lab: Lab) -> None:
    lab.branch("idea", {"train.py": TRAIN.replace("1.0", "3.0")})
    assert_documented("bot", "open", bot("open", "idea"))
    assert_documented("bot", "comment", bot("comment", "1", "/bot help"))
    done = conclude(lab)
    assert_documented("bot", "step", strict_json(json.dumps(concluded_json(done, "mean_rank"))))
    assert_documented("bot", "log", bot("log"))
    assert_documented("bot", "diff", bot("diff", "1"))
    assert_documented("bot", "show", bot("show", "1"))
    assert_documented("bot", "best", bot("best"))
    assert_documented("bot", "export", bot("export"))
    assert_documented("bot", "report", bot("report", "--svg", str(lab.folder / "a.svg")))
    assert_documented("bot", "completion", bot("completion", "bash"))
    lab.branch("another", {"train.py": TRAIN.replace("1.0", "2.5")})
    bot("open", "another")
    slots = (SlotState("cores", "2.1", 2, 1, 3),)
    state = State(time.time(), time.time(), Phase.WORKING, slots)
    heartbeat.write(lab.place.repository, state)
    assert_documented("bot", "status", bot("status"))
    pulls = bot("pulls", "--state", "all")
    assert_documented("bot", "pulls", pulls)
    assert printed_keys(pulls["pulls"][0], PULL_KEYS) == set(PULL_KEYS)


def test_what_is_printed_is_json_also_for_a_metric_without_noise(lab: Lab) -> None:
    lab.measurer.noise = 0.0
    lab.branch("idea", {"train.py": TRAIN.replace("1.0", "3.0")})
    bot("open", "idea")
    conclude(lab)
    estimate = bot("show", "1")["verdict"]["estimate"]
    assert (estimate["difference"], estimate["degrees_of_freedom"]) == (-4.0, None)


EXAMPLE = TASK.partition("```python\n")[2].partition("```")[0]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose candidate is the example of docs/task.md."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(EXAMPLE)
    (folder / "broken.py").write_text("raise ValueError('no')\n")
    settings: dict[str, dict[str, object]] = {
        "candidate": {"python": sys.executable},
        "task": {"size": "tiny"},
        "budget": {"profile": "cpu", "cpu_s": 20, "smoke_s": 1},
    }
    tables = (
        "\n".join([f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
        for table, keys in settings.items()
    )
    (folder / "bot.toml").write_text("\n".join(tables) + "\n")
    return folder


def test_the_example_of_the_task_learns_and_the_runner_prints_the_documented_keys(
    project: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "MERGELAB_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(TOP)}
    environment.pop("MERGELAB_CANDIDATE_PYTHON", None)

    def runner(*arguments: str, given: str = "") -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "runner", *arguments, "--json"],
            input=given, capture_output=True, text=True, check=False, cwd=project, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return strict_json(done.stdout)

    assert_documented("runner", "prepare", runner("prepare"))
    assert_documented("runner", "class", runner("class"))
    runs = [
        {"id": "example", "files": "train.py", "seed": 0},
        {"id": "broken", "files": "broken.py", "seed": 0},
    ]
    batch = runner("measure", "--runs", "-", given=json.dumps({"runs": runs, "sealed": True}))
    assert list(batch) == ["measurements"]
    learned, broken = batch["measurements"]
    assert learned["status"] == "ok"
    assert learned["metric"] < 0.9 * RECIPES["tiny"].pairs / 2  # chance
    same = {key: learned[key] for key in ("metric", "secondary")}
    assert {key: learned["sealed"][key] for key in same} != same  # other pairs
    assert broken["sealed"] is None
    assert broken["error"] == {"type": "ValueError", "line": 1, "stage": "smoke"}
    assert_documented("runner", "measure", learned, broken)
    single = runner("measure", "--candidate", "broken.py")
    assert single.keys() == broken.keys()


def test_the_image_command_prints_the_documented_keys(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = SimpleNamespace(name="name", id="sha256:0", interpreter="/python")
    monkeypatch.setattr("runner.sandbox.docker.engine.connect", lambda: None)
    monkeypatch.setattr("runner.sandbox.docker.image.find", lambda engine, name: facts)
    arguments = ["image", "--json", "--settings", str(project / "bot.toml")]
    done = CliRunner().invoke(runner_cli, arguments, catch_exceptions=False)
    assert_documented("runner", "image", strict_json(done.stdout))


# What is written by hand


@pytest.mark.parametrize("reason", Reason)
def test_the_concepts_explain_every_reason(reason: Reason) -> None:
    assert f"\n| `{reason}` | " in CONCEPTS


def test_what_is_said_to_be_given_by_no_command_is_decided_nowhere() -> None:
    decided = "".join((TOP / "bot" / name).read_text() for name in ("decide.py", "execute.py"))
    unused = re.findall(r"^\| `([\w-]+)` \| .*given by no command yet", CONCEPTS, re.M)
    assert [name for name in unused if f"Reason.{Reason(name).name}" in decided] == []


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_every_failure_of_a_run_is_a_reason(status: Status) -> None:
    assert str(status) in set(Reason)


@pytest.mark.parametrize("size", RECIPES)
def test_the_sizes_of_the_task_are_told_as_they_are(size: str) -> None:
    name = next(name for name in RECIPES if name == size)
    recipe = RECIPES[name]
    row = [
        f"`{name}`",
        f"{len(Composer.of(name).things)}",
        f"{recipe.canvas.side}",
        " or ".join(map(str, recipe.named)),
        f"{recipe.train_scenes:,}",
        f"{recipe.pairs:,}",
        f"{recipe.twin_percent} %",
        f"{needed_bytes(recipe) / 1e6:,.0f} MB",
    ]
    assert f"\n| {' | '.join(row)} |\n" in TASK


@pytest.mark.parametrize("size", RECIPES)
def test_the_division_of_pairs_is_told_as_it_is(size: SizeName) -> None:
    held_out = Composer.of(size).held_out
    count = len(held_out)
    share = held_out.sum(axis=1) / (count - 1)
    mean, least, most = (round(100 * value) for value in (share.mean(), share.min(), share.max()))
    pairs = f"{held_out.sum() // 2:,} of {count * (count - 1) // 2:,}"
    assert f"\n| `{size}` | {pairs} | {mean} % ({least} to {most}) | " in TASK


@pytest.mark.parametrize("name", ["PHASE", "DATA_DIR", "OUT_DIR", "SEED", "MODEL_DIR", "GROUP"])
def test_the_shipped_candidate_uses_the_contract_that_is_told(name: str) -> None:
    assert f"\n| `{name}` | " in TASK
    assert re.search(rf'environ(\.get\(|\[)"{name}"', (TOP / "train.py").read_text())


# Links


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^( *)```.*?^\1```", "", text, flags=re.M | re.S))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    fenceless = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", fenceless, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> list[str]:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            broken.append(target)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading\n[a](page.md#a-heading) [b](#b) [c](c.md) `[d](d.md)` [e](http://e)\n"
    )
    assert broken_links(page) == ["#b", "c.md"]


# Commands

COMMAND = re.compile(r"(?:python -m (?:bot|runner|bench)|make)(?: |$)")


def commands_in(text: str) -> Iterator[tuple[str, bool]]:
    """Commands in fenced blocks, where they must be complete, and in code within sentences."""
    fence = re.compile(r"^ *```\w*\n(.*?)^ *```", re.M | re.S)
    for block in fence.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r" {2,}", line.strip()):
                command = part.removeprefix("$ ")
                if COMMAND.match(command) and "[OPTIONS]" not in command:
                    yield command, True
    for code in re.findall(r"`([^`\n]+)`", fence.sub("", text)):
        if COMMAND.match(code):
            yield code, False


def problem(command: str, complete: bool = True) -> str | None:
    """What is wrong with a command line, without running it."""
    words = shlex.split(command, comments=True)
    ends = {"|", ">", ">>", "<", "&&", ";"}
    end = next((i for i, word in enumerate(words) if word in ends), None)
    words = words[:end]
    if words[0] == "make":
        return problem_of_make(words[1:])
    package, arguments = words[2], words[3:]
    if package == "bench":
        return problem_of_bench(arguments)
    return problem_of_click(COMMAND_LINES[package], arguments, complete)


def problem_of_click(group: click.Group, arguments: list[str], complete: bool) -> str | None:
    arguments = ["1" if word == "N" else word for word in arguments]
    if not arguments or arguments in (["-h"], ["--help"], ["--version"]):
        return None
    command = group.get_command(click.Context(group), arguments[0])
    if command is None:
        return f"there is no command {arguments[0]}"
    rest = [word for word in arguments[1:] if word not in {"-h", "--help"}]
    try:
        command.make_context(arguments[0], rest)
    except click.MissingParameter as error:
        return error.format_message() if complete and len(rest) == len(arguments) - 1 else None
    except click.UsageError as error:
        return error.format_message()
    return None


def problem_of_bench(arguments: list[str]) -> str | None:
    if not arguments:
        return None
    if arguments[0] not in available():
        return f"there is no benchmark {arguments[0]}"
    source = (TOP / "bench" / f"{arguments[0]}.py").read_text()
    options = [word.partition("=")[0] for word in arguments[1:] if word.startswith("--")]
    unknown = [option for option in options if f'"{option}"' not in source]
    return f"there is no option {unknown[0]}" if unknown else None


def problem_of_make(arguments: list[str]) -> str | None:
    makefile = (TOP / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):(?!=)", makefile, re.M))
    variables = set(re.findall(r"^(\w+) *[?:]?=", makefile, re.M))
    for word in arguments:
        name, assigned, _ = word.partition("=")
        known = variables if assigned else targets
        if not word.startswith("-") and name not in known:
            return f"the Makefile has no {name}"
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_every_command_that_is_shown_exists(document: Path) -> None:
    shown = list(commands_in(document.read_text()))
    problems = {command: problem(command, complete) for command, complete in shown}
    assert {command: told for command, told in problems.items() if told} == {}


@pytest.mark.parametrize(
    "command",
    [
        "python -m bot dance",
        "python -m bot show",
        "python -m bot show twelve",
        "python -m bot log --first 3",
        "python -m runner measure --split test",
        "python -m bench dance",
        "python -m bench verdict --dance",
        "make dance",
        "make step DANCE=1",
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    (shown,) = commands_in(f"```sh\n$ {command}   what it does\n```\n")
    assert problem(*shown)


def test_commands_are_found_in_blocks_and_in_sentences() -> None:
    text = "Say `python -m bot show`:\n\n```\n  make step    or   python -m bot log | less\n```\n"
    assert list(commands_in(text)) == [
        ("make step", True),
        ("python -m bot log | less", True),
        ("python -m bot show", False),
    ]
    assert [problem(*found) for found in commands_in(text)] == [None, None, None]
