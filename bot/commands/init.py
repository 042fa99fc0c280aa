"""`python -m bot init`: makes an existing project ready for experiments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from bot.views.output import json_option, print_json

if TYPE_CHECKING:
    from bot.git import Repository
    from bot.importing.guess import Proven

JSON_KEYS = {
    "written": "the files that were written; empty if nothing was",
    "kept": "files that were there already and were left alone",
    "files": "the proposed files that are not there yet: path to text",
    "command": "how the script is started, as a list of words",
    "told_in": "the file that says so, empty if it was guessed",
    "metric.name": "its name",
    "metric.direction": "which way it is better: `lower` or `higher`",
    "metric.pattern": "the regular expression that finds it in the output",
    "metric.value": "what the baseline run reported, null without one",
    "seconds": "how long that run took, null without one",
    "refspecs": "settings of git by which pushes and fetches now carry the pull requests",
    "remarks": "what a person should know or put right",
    "github": "with --github this alone: what the repository there needs",
    "github[].name": "what it is about",
    "github[].done": "whether it is done; else it is left for a person",
    "github[].words": "what was found or done, or what to do",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot init                              look at everything, propose, ask
  python -m bot init src/train.py --budget 60     name the script and the seconds of a run
  python -m bot init --command "python train.py --epochs 2" --metric accuracy --higher --yes
  python -m bot init --github --app-id 12345      set the repository on GitHub up
  python -m bot init train.pl --pattern 'loss is (\\S+)' --data corpus --json
"""
)
@click.argument("script", required=False, help="The training script.  [default: looked for]")
@click.option("--command", "line", metavar="LINE", help="How the script is started.")
@click.option("--folder", help="Where the command is started.  [default: the top folder]")
@click.option("--edit", multiple=True, metavar="PATH", help="A further file to experiment on.")
@click.option("--needs", multiple=True, metavar="PATH", help="A committed file that it reads.")
@click.option("--data", multiple=True, metavar="PATH", help="Data that is not in git.")
@click.option("--python", metavar="PATH", help="The interpreter that runs it.")
@click.option("--metric", metavar="NAME", help="The name of the metric.")
@click.option("--pattern", metavar="REGEX", help="How it is found in a line of the output.")
@click.option("--higher/--lower", "higher", default=None, help="Which way it is better.")
@click.option(
    "--budget",
    type=click.FloatRange(1, 86_400),
    default=120,
    show_default=True,
    metavar="SECONDS",
    help="How long a run may take at most.",
)
@click.option("--no-baseline", is_flag=True, help="Run nothing: believe what the source says.")
@click.option(
    "--github",
    is_flag=True,
    help="Set up the repository that [forge] in bot.toml names, and do nothing else.",
)
@click.option(
    "--app-id",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --github: the lab's own App, which may then move the base branch.",
)
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option(
    "--i-know-this-is-not-a-sandbox",
    "unconfined",
    is_flag=True,
    help="Allow sandbox.backend = none, which confines nothing.",
)
@json_option
def command(  # noqa: PLR0917
    script: str | None,
    line: str | None,
    folder: str | None,
    edit: tuple[str, ...],
    needs: tuple[str, ...],
    data: tuple[str, ...],
    python: str | None,
    metric: str | None,
    pattern: str | None,
    higher: bool | None,
    budget: float,
    no_baseline: bool,
    github: bool,
    app_id: int | None,
    yes: bool,
    unconfined: bool,
    as_json: bool,
) -> None:
    """Make this project ready: find the script, run it once, propose the files.

    Looks for the training SCRIPT, how it is started, what it reads and what it prints, runs it
    once in the sandbox and shows that its metric was read. Then proposes bot.toml, program.md
    and scratchpad.md, and writes them when you agree. Nothing is ever overwritten.

    With --github the repository there is set up instead, as far as GitHub's API and the
    credential allow, and what is left for a person is told (docs/github.md).
    """
    if github:
        _on_github(app_id, as_json=as_json)
        return
    if app_id is not None:
        raise click.UsageError("--app-id goes with --github.")
    from pathlib import Path

    from bot.git import Repository
    from bot.importing.guess import Told, guess, prove
    from bot.importing.project import CannotImport, Project
    from bot.settings import FILE_NAME
    from bot.views.reporter import Reporter

    repository = Repository.discover(Path.cwd())
    if (repository.path / FILE_NAME).exists():
        raise CannotImport(
            f"There is a {FILE_NAME} here already, and nothing is overwritten. Edit it "
            "(docs/configuration.md), or move it away to begin afresh."
        )
    direction: Literal["lower", "higher"] | None
    direction = None if higher is None else "higher" if higher else "lower"
    told = Told(script, line, folder, edit, needs, data, python, metric, pattern, direction, budget)
    project = Project.of(repository)
    base = repository.head_branch()
    if base is None:
        raise CannotImport("HEAD is detached. Check out the branch that winners go to.")
    proven = guess(project, told, base)
    if not no_baseline:
        with Reporter() as reporter:
            proven = prove(project, proven, told, _watch(reporter), unconfined=unconfined)
    files, kept = _files(repository, proven)
    from bot.forge.git import travels

    carried = travels(repository) is False
    _show(proven, files, kept, carried=carried)
    agreed = yes or (not as_json and sys.stdin.isatty() and click.confirm("\nWrite these files?"))
    refspecs: tuple[str, ...] = ()
    if agreed:
        for path, text in reversed(files.items()):  # bot.toml last: with it, init is over
            with (repository.path / path).open("x", encoding="utf-8") as file:
                file.write(text)
        refspecs = _carry(repository) if carried else ()
        _tell_next(files)
    else:
        click.echo("\nNothing was written. Add --yes to write them.", err=True)
    if as_json:
        print_json(_json(proven, files, kept, refspecs, agreed))


def _on_github(app_id: int | None, *, as_json: bool) -> None:
    from dataclasses import asdict
    from pathlib import Path

    from bot.app import committed_settings, make_client
    from bot.errors import SettingsError
    from bot.forge.github.setup import prepare
    from bot.git import Repository
    from bot.views.output import print_table

    settings = committed_settings(Repository.discover(Path.cwd()))
    if settings.forge.kind != "github":
        raise SettingsError(
            'bot.toml: forge.kind is not "github". Name the repository there, commit, and run '
            "this again (docs/github.md)."
        )
    tasks = prepare(make_client(settings), settings.repository.base, app_id)
    if as_json:
        print_json({"github": [asdict(task) for task in tasks]})
        return
    rows = [(task.name, "done" if task.done else "yours", task.words) for task in tasks]
    print_table(("what", "", ""), rows, "")


def _watch(reporter: Any) -> Any:
    from runner.events import DataEvent, NoticeEvent, OutputEvent, StageEvent

    def emit(event: object) -> None:
        match event:
            case StageEvent():
                reporter.stage("running the baseline", event.limit_s, lasting=True)
            case OutputEvent():
                reporter.output(event.line)
            case DataEvent():
                reporter.progress("reading the data", event.fraction, event.message)
            case NoticeEvent():
                reporter.say(event.message)

    return emit


def _files(repository: Repository, proven: Proven) -> tuple[dict[str, str], list[str]]:
    """The files to write, and those that are there already."""
    from bot.importing.files import SCRATCHPAD, bot_toml, program_md

    wanted = {
        "bot.toml": bot_toml(proven.plan),
        "program.md": program_md(proven.plan),
        "scratchpad.md": SCRATCHPAD,
    }
    kept = [path for path in wanted if (repository.path / path).exists()]
    return {path: text for path, text in wanted.items() if path not in kept}, kept


def _show(proven: Proven, files: dict[str, str], kept: list[str], *, carried: bool) -> None:
    plan, result = proven.plan, proven.baseline
    told = f"as {plan.start.told_in} says" if plan.start.told_in else "as its kind is started"
    lines = [
        f"Script     {plan.start.script}",
        f"Started    {' '.join(plan.start.command)}  ({told})",
        f"Reads      {', '.join((*plan.needs, *plan.mounts)) or 'nothing else that was noticed'}",
        f"Python     {plan.python or 'not needed'}",
    ]
    if result is not None and plan.metric.value is not None:
        lines.append(
            f"Baseline   {plan.metric.name} (self-reported) {plan.metric.value:g}, "
            f"{plan.metric.direction} is better; it took {result.train_s:.1f} s"
        )
    if plan.metric.line:
        lines.append(f"Read from  {plan.metric.line}")
    lines += [f"Note: {remark}" for remark in proven.remarks]
    lines += [f"{path} is there already and stays as it is." for path in kept]
    if carried:
        lines.append("Pushes to and fetches from origin will carry refs/forge/pulls (git config).")
    for path, text in files.items():
        lines += ["", f"--- {path}", text.rstrip()]
    from bot.text.plain import for_terminal

    click.echo(for_terminal("\n".join(lines)), err=True)


def _carry(repository: Repository) -> tuple[str, ...]:
    """Let pushes to and fetches from `origin` carry the pull requests."""
    from bot.forge.git.refspecs import configure_refspecs

    added = configure_refspecs(repository)
    for setting in added:
        click.echo(f"git config --add {setting.replace('=', ' ', 1)}", err=True)
    return added


def _tell_next(files: dict[str, str]) -> None:
    names = " ".join(files)
    click.echo(
        f"\nWritten: {names}. Say in program.md what you want, then:\n"
        f"  git add {names} && git commit -m 'Let the bot experiment'\n"
        "  python -m bot step\n"
        "The script's numbers are self-reported. How to have its predictions scored instead: "
        "docs/import.md,\n"
        '"From printed numbers to scored predictions".',
        err=True,
    )


def _json(
    proven: Proven, files: dict[str, str], kept: list[str], refspecs: tuple[str, ...], agreed: bool
) -> dict[str, Any]:
    plan = proven.plan
    return {
        "written": list(files) if agreed else [],
        "kept": kept,
        "files": files,
        "command": list(plan.start.command),
        "told_in": plan.start.told_in,
        "metric": {
            "name": plan.metric.name,
            "direction": plan.metric.direction,
            "pattern": plan.metric.pattern,
            "value": plan.metric.value,
        },
        "seconds": proven.baseline.train_s if proven.baseline else None,
        "refspecs": list(refspecs),
        "remarks": list(proven.remarks),
    }
