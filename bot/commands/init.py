"""`python -m bot init`: makes an existing project ready for experiments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from bot.views.output import json_option, print_json

if TYPE_CHECKING:
    from bot.git import Repository
    from bot.importing.guess import Proven, Told

JSON_KEYS = {
    "written": "the files that were written; empty if nothing was",
    "kept": "files that were there already and were left alone",
    "files": "the proposed files that are not there yet: path to text",
    "command": "how the script is started, as a list of words; null beside a bot.toml",
    "told_in": "the file that says so, empty if it was guessed; null beside a bot.toml",
    "metric": "null beside a bot.toml",
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
  python -m bot init --inputs data/test.csv --targets private/answers.csv
  python -m bot init --workflows                  the workflows for GitHub Actions as well
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
    "--inputs", metavar="PATH", help="What predictions are made for, to have them scored."
)
@click.option("--targets", metavar="PATH", help="With --inputs: the answers, for the scorer alone.")
@click.option(
    "--scorer",
    metavar="PATH",
    help="With --inputs: the Python file that prints the metric.  [default: score.py]",
)
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
@click.option("--workflows", is_flag=True, help="Propose the workflows for GitHub Actions as well.")
@click.option(
    "--source",
    metavar="SOURCE",
    help="With --workflows: where pip gets the bot from.  [default: as this one was installed]",
)
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option(
    "--i-know-this-is-not-a-sandbox",
    "unconfined",
    is_flag=True,
    help="Allow sandbox.backend = none, which confines nothing.",
)
@json_option
def command(
    *,
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
    inputs: str | None,
    targets: str | None,
    scorer: str | None,
    budget: float,
    no_baseline: bool,
    github: bool,
    app_id: int | None,
    workflows: bool,
    source: str | None,
    yes: bool,
    unconfined: bool,
    as_json: bool,
) -> None:
    """Make this project ready: find the script, run it once, propose the files.

    Looks for the training SCRIPT, how it is started, what it reads and what it prints, runs it
    once in the sandbox and shows that its metric was read. Then proposes bot.toml, program.md
    and scratchpad.md, and writes them when you agree. Nothing is ever overwritten.

    With --inputs and --targets its predictions are scored, by a scorer that it cannot reach,
    instead of believing what it prints (docs/import.md).

    With --workflows it also proposes the workflows that measure and step on GitHub Actions, and
    where there is a bot.toml already, those alone.

    With --github the repository there is set up instead, as far as GitHub's API and the
    credential allow, and what is left for a person is told (docs/github.md).
    """
    if github:
        _on_github(app_id, as_json=as_json)
        return
    if app_id is not None:
        raise click.UsageError("--app-id goes with --github.")
    if source is not None and not workflows:
        raise click.UsageError("--source goes with --workflows.")
    if (inputs is None) != (targets is None) or (scorer is not None and inputs is None):
        raise click.UsageError("--inputs, --targets and --scorer go together.")
    if inputs is not None and pattern is not None:
        raise click.UsageError("--pattern is for what a script prints, not for a scorer.")
    from pathlib import Path

    from bot.git import Repository
    from bot.importing.files import Scored
    from bot.importing.guess import Told
    from bot.importing.project import CannotImport
    from bot.importing.proposal import Proposal
    from bot.importing.workflows import installed_from, pinned, workflow_files
    from bot.settings import FILE_NAME
    from bot.views import proposal as views

    repository = Repository.discover(Path.cwd())
    further: dict[str, str] = {}
    if workflows:
        further = workflow_files(pinned(source) if source else installed_from())
    proven: Proven | None = None
    if (repository.path / FILE_NAME).exists():
        if not workflows:
            raise CannotImport(
                f"There is a {FILE_NAME} here already, and nothing is overwritten. Edit it "
                "(docs/configuration.md), or move it away to begin afresh. For the workflows "
                "alone: --workflows."
            )
        proposal = Proposal.of(repository.path, further)
    else:
        direction: Literal["lower", "higher"] | None
        direction = None if higher is None else "higher" if higher else "lower"
        told = Told(
            script, line, folder, edit, needs, data, python, metric, pattern, direction, budget,
            on_github=workflows,
            scored=None
            if inputs is None or targets is None
            else Scored(inputs, targets, scorer or "score.py"),
        )  # fmt: skip
        proven = _proven(repository, told, baseline=not no_baseline, unconfined=unconfined)
        proposal = Proposal.of(repository.path, {**_files(proven), **further})
    from bot.forge.git import travels

    # On GitHub nothing has to be carried: the pull requests are there.
    carried = proven is not None and proven.plan.on_github is None and travels(repository) is False
    remarks = _remarks(repository, proven, workflows=workflows)
    views.show(proven, proposal, remarks, carried=carried)
    agreed = yes or (not as_json and sys.stdin.isatty() and click.confirm("\nWrite these files?"))
    refspecs: tuple[str, ...] = ()
    if agreed:
        proposal.write()
        refspecs = _carry(repository) if carried else ()
        views.tell_next(proposal, proven.plan if proven else None, workflows=workflows)
    else:
        click.echo("\nNothing was written. Add --yes to write them.", err=True)
    if as_json:
        print_json(views.as_json(proven, proposal, remarks, refspecs, agreed))


def _proven(repository: Repository, told: Told, *, baseline: bool, unconfined: bool) -> Proven:
    """What is known of the project, shown by a run unless `baseline` says not to."""
    from bot.importing.guess import guess, prove
    from bot.importing.project import CannotImport, Project
    from bot.views.reporter import Reporter

    project = Project.of(repository)
    base = repository.head_branch()
    if base is None:
        raise CannotImport("HEAD is detached. Check out the branch that winners go to.")
    proven = guess(project, told, base)
    if not baseline or _lacks_scorer(repository, proven):
        return proven
    with Reporter() as reporter:
        return prove(project, proven, told, _watch(reporter), unconfined=unconfined)


def _lacks_scorer(repository: Repository, proven: Proven) -> bool:
    """Whether one is only being proposed, so that nothing can be scored yet."""
    scored = proven.plan.scored
    return scored is not None and not (repository.path / scored.scorer).exists()


def _remarks(repository: Repository, proven: Proven | None, *, workflows: bool) -> tuple[str, ...]:
    """What a person should know: of the project, and of the workflows where they are wanted."""
    from bot.importing.workflows import missing_for

    told = proven.remarks if proven else ()
    return (*told, *missing_for(repository, proven.plan if proven else None)) if workflows else told


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


def _files(proven: Proven) -> dict[str, str]:
    from bot.importing.files import SCRATCHPAD, bot_toml, program_md
    from bot.importing.scorer import scorer_py

    plan = proven.plan
    files = {
        "bot.toml": bot_toml(plan),
        "program.md": program_md(plan),
        "scratchpad.md": SCRATCHPAD,
    }
    if plan.scored is not None:
        files[plan.scored.scorer] = scorer_py(plan.scored, plan.metric.name, plan.start.script)
    return files


def _carry(repository: Repository) -> tuple[str, ...]:
    """Let pushes to and fetches from `origin` carry the pull requests."""
    from bot.forge.git.refspecs import configure_refspecs

    added = configure_refspecs(repository)
    for setting in added:
        click.echo(f"git config --add {setting.replace('=', ' ', 1)}", err=True)
    return added
