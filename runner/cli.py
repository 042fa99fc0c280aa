"""The runner's command line. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from runner.errors import RequestError, RunnerError

if TYPE_CHECKING:
    from runner.events import Emit, EventPipe
    from runner.request import BatchRequest

DEBUG_VARIABLE = "MERGELAB_TRACEBACK"

_EXIT_CODES = """\b
Exit codes: 0 a result was produced, whatever it says about the candidate;
1 the runner failed; 2 a request or bot.toml is wrong; 3 the data;
4 no sandbox; 130 interrupted; 143 terminated.
"""


class Terminated(KeyboardInterrupt):
    """Asked to end by a signal other than Ctrl-C; tidies up like Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. Never lets a traceback reach a person."""
    os.umask(0o022)  # what is laid out for a sandbox is read by another user if root runs this
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    try:
        return _run(list(arguments))
    except KeyboardInterrupt as interrupt:  # between click and here
        return _interrupted(interrupt)


def _run(arguments: list[str]) -> int:
    try:
        cli.main(arguments, prog_name="python -m runner", standalone_mode=False)
    except click.Abort as abort:
        return _interrupted(abort.__cause__)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return _reported(error)
    return 0


def _reported(error: Exception) -> int:
    """Tell a person what went wrong; the exit code."""
    match error:
        case click.ClickException():
            error.show()
            return error.exit_code
        case RunnerError():
            _say(f"error: {error}")
            return error.exit_code
        case OSError():
            _say(f"error: {error}. Check free space and permissions, then run this again.")
        case _:
            what = f"{type(error).__name__}: {error}"
            _say(f"error: a defect of the runner: {what}. {DEBUG_VARIABLE}=1 shows where.")
    return 1


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise Terminated(number)


def _interrupted(cause: BaseException | None) -> int:
    number = cause.number if isinstance(cause, Terminated) else signal.SIGINT
    _say("interrupted: the sandbox is ended and temporary files are removed.")
    return 128 + number


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be listening any more
        print(line, file=sys.stderr)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Measures candidates: trains them in a sandbox and scores them where they cannot reach."""


def _common(command: Any) -> Any:
    """Options that several commands have."""
    for option in (
        click.option(
            "--i-know-this-is-not-a-sandbox",
            "unconfined",
            is_flag=True,
            help="Allow sandbox.backend = none, which confines nothing.",
        ),
        click.option(
            "--events-fd",
            type=click.IntRange(min=0),
            metavar="N",
            help="Write progress as JSON lines to this inherited descriptor; end when it closes.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option(
            "--settings",
            type=click.Path(path_type=Path),
            help="The bot.toml to use.  [default: bot.toml in the repository]",
        ),
    ):
        command = option(command)
    return command


@cli.command(
    epilog=f"""\b
Examples:
  python -m runner measure --candidate train.py --seed 0
  python -m runner measure --candidate train.py --seed 1 --budget 5 --json
  python -m runner measure --runs batch.json --json
\b
A batch (- reads it from standard input), executed in the given order:
  {{"repository": ".", "budget_s": 30, "runs": [
    {{"id": "a", "tree": "<git tree>", "seed": 1}},
    {{"id": "b", "files": "folder-or-file", "seed": 1, "smoke": false}}]}}

{_EXIT_CODES}"""
)
@click.option(
    "--candidate", type=click.Path(path_type=Path), help="The file to train, or a folder."
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option("--budget", type=float, metavar="SECONDS", help="Instead of that of bot.toml.")
@click.option(
    "--split",
    type=click.Choice(["validation", "sealed"]),
    default="validation",
    show_default=True,
    help="What to predict and score; sealed is for audits.",
)
@click.option("--runs", metavar="FILE", help="A batch of runs instead; see below.")
@click.option("--no-smoke", is_flag=True, help="Skip the smoke run: the candidate is known good.")
@_common
def measure(
    *,
    candidate: Path | None,
    seed: int,
    budget: float | None,
    split: str,
    runs: str | None,
    no_smoke: bool,
    settings: Path | None,
    as_json: bool,
    events_fd: int | None,
    unconfined: bool,
) -> None:
    """Train, predict and score a candidate (or a batch), each phase in a fresh sandbox."""
    if (candidate is None) == (runs is None):
        raise click.UsageError("give exactly one of --candidate and --runs")
    pipe = _pipe(events_fd)
    if runs is not None:
        request = _batch(runs, budget, split)
    else:
        request = _single(
            candidate=candidate,
            seed=seed,
            budget=budget,
            split=split,
            smoke=not no_smoke,
            settings=settings,
        )
    from runner.session import open_session, plan, settings_for

    chosen = settings_for(request, settings)
    with _watching(pipe, chosen.metric.name) as emit:
        session = open_session(request, chosen, emit, unconfined=unconfined)
        planned = plan(request, session)
        with session.batch(emit) as batch:
            results = list(batch.run(planned))
    if as_json:
        single = results[0].model_dump_json()
        every = ",".join(result.model_dump_json() for result in results)
        click.echo(single if runs is None else f'{{"measurements":[{every}]}}')


def _batch(source: str, budget: float | None, split: str) -> BatchRequest:
    from runner.request import BatchRequest, read_request

    request = read_request(BatchRequest, source)
    if budget is not None or split != "validation":
        raise click.UsageError("with --runs, budget_s and split are written in the batch")
    return request


def _single(
    *,
    candidate: Path | None,
    seed: int,
    budget: float | None,
    split: str,
    smoke: bool,
    settings: Path | None,
) -> BatchRequest:
    """A batch of one run. Everything counts from the folder of bot.toml."""
    import json

    from runner.request import BatchRequest, parse_request

    place = (settings or Path("bot.toml")).resolve().parent
    run = {"id": "run", "files": str(Path.cwd() / str(candidate)), "seed": seed, "smoke": smoke}
    data = {"repository": str(place), "budget_s": budget, "split": split, "runs": [run]}
    return parse_request(BatchRequest, json.dumps(data).encode(), "the command line")


def _pipe(events_fd: int | None) -> EventPipe | None:
    """Taken before anything else, so that a dying bot is noticed from the start."""
    if events_fd is None:
        return None
    from runner.events import EventPipe

    try:
        return EventPipe(events_fd)
    except (OSError, ValueError) as error:
        raise RequestError(
            f"--events-fd {events_fd}: {error}. It must be an open, writable pipe."
        ) from None


@contextlib.contextmanager
def _watching(pipe: EventPipe | None, metric: str) -> Iterator[Emit]:
    """Where events go: to the bot if there is a pipe, else to the person at the keyboard."""
    if pipe is not None:
        yield pipe
        return
    from runner.display import display

    with display(metric) as shown:
        yield shown


@cli.command(
    "class",
    epilog=f"""\b
Examples:
  python -m runner class
  python -m runner class --budget 60 --json

{_EXIT_CODES}""",
)
@click.option("--budget", type=float, metavar="SECONDS", help="Instead of that of bot.toml.")
@click.option("--request", metavar="FILE", help="Conditions as JSON, like a batch without runs.")
@_common
def runner_class(
    *,
    budget: float | None,
    request: str | None,
    settings: Path | None,
    as_json: bool,
    events_fd: int | None,
    unconfined: bool,
) -> None:
    """Tell the runner class of this machine: numbers of different classes are not comparable.

    With --json also the digests of data, scorer and harness. Prepares the data if that was not
    done yet.
    """
    pipe = _pipe(events_fd)
    from runner.request import Conditions, parse_request, read_request

    if request is not None:
        conditions = read_request(Conditions, request)
    else:
        place = (settings or Path("bot.toml")).resolve().parent
        text = Conditions(repository=str(place)).model_copy(update={"budget_s": budget})
        conditions = parse_request(Conditions, text.model_dump_json().encode(), "the command line")
    from runner.session import open_session, settings_for

    chosen = settings_for(conditions, settings)
    with _watching(pipe, chosen.metric.name) as emit:
        found = open_session(conditions, chosen, emit, unconfined=unconfined).comparability()
    if as_json:
        click.echo(found.model_dump_json())
    else:
        for name, value in found.runner_class.model_dump().items():
            click.echo(f"{name:12} {value}", err=True)


@cli.command(
    epilog=f"""\b
Examples:
  python -m runner prepare
  python -m runner prepare --json

{_EXIT_CODES}"""
)
@_common
def prepare(settings: Path | None, as_json: bool, events_fd: int | None, unconfined: bool) -> None:
    """Prepare the task's data in the cache, once, and say where it is."""
    del unconfined  # nothing is run
    import json

    from runner.gpu import find_gpu
    from runner.interpreter import find_interpreter
    from runner.session import prepare_data
    from runner.settings_file import load
    from runner.task.prepare import cache_folder

    place = (settings or Path("bot.toml")).resolve()
    with _watching(_pipe(events_fd), "metric") as emit:
        table = load(place)
        interpreter = find_interpreter(place.parent, table.candidate)
        data = prepare_data(table.task, find_gpu(table.budget, interpreter, cache_folder()), emit)
    if as_json:
        click.echo(json.dumps({"folder": str(data.folder), "version": data.version}))
    else:
        click.echo(f"Data {data.version} is in {data.folder}", err=True)
