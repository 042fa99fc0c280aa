"""The runner's commands. Everything heavy is imported by the one that needs it.

With --json, `measure` prints a `runner.result.Measurement` and `class` a
`runner.result.Comparability`, whose fields say what they mean.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.errors import RequestError

PREPARE_KEYS = {
    "folder": "where the data is",
    "version": "version, size and a digest of the salt: equal versions, equal evaluation splits",
}

if TYPE_CHECKING:
    from runner.events import Emit, EventPipe
    from runner.request import BatchRequest

_EXIT_CODES = """\b
Exit codes: 0 a result was produced, whatever it says about the candidate;
1 the runner failed; 2 a request or bot.toml is wrong; 3 the data;
4 no sandbox; 130 interrupted; 143 terminated.
"""


_CONFINEMENT = click.option(
    "--i-know-this-is-not-a-sandbox",
    "unconfined",
    is_flag=True,
    help="Allow sandbox.backend = none, which confines nothing.",
)


def _common(command: Any) -> Any:
    """Options that all commands have."""
    for option in (
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


@click.command(
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
With --json it prints {{"measurements": [...]}}, in that order.

{_EXIT_CODES}"""
)
@click.option(
    "--candidate",
    type=click.Path(path_type=Path),
    help="The file to train, or a folder with the allowed files.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="What the candidate gets as SEED.",
)
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
@_CONFINEMENT
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
    with _watching(pipe, chosen.metric_shown) as emit:
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


@click.command(
    "class",
    epilog=f"""\b
Examples:
  python -m runner class
  python -m runner class --budget 60 --json

{_EXIT_CODES}""",
)
@click.option("--budget", type=float, metavar="SECONDS", help="Instead of that of bot.toml.")
@click.option("--request", metavar="FILE", help="Conditions as JSON, like a batch without runs.")
@_CONFINEMENT
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
        given = json.dumps({"repository": str(place), "budget_s": budget})
        conditions = parse_request(Conditions, given.encode(), "the command line")
    from runner.session import open_session, settings_for

    chosen = settings_for(conditions, settings)
    with _watching(pipe, chosen.metric_shown) as emit:
        found = open_session(conditions, chosen, emit, unconfined=unconfined).comparability()
    if as_json:
        click.echo(found.model_dump_json())
    else:
        for name, value in found.runner_class.model_dump().items():
            click.echo(f"{name:12} {value}", err=True)


@click.command(
    epilog=f"""\b
Examples:
  python -m runner prepare
  python -m runner prepare --size full --salt-file salt.hex --json

{_EXIT_CODES}"""
)
@click.option(
    "--size",
    type=click.Choice(["auto", "tiny", "small", "full"]),
    help="Instead of task.size in bot.toml.",
)
@click.option(
    "--salt-file",
    type=click.Path(path_type=Path),
    help="The salt of another runner (its private/salt.hex), to share its evaluation splits.",
)
@click.option("--repair", is_flag=True, help="Make damaged data again with the salt that it has.")
@click.option("--verify", is_flag=True, help="Read all of it and check the digests.")
@_common
def prepare(
    *,
    size: str | None,
    salt_file: Path | None,
    repair: bool,
    verify: bool,
    settings: Path | None,
    as_json: bool,
    events_fd: int | None,
) -> None:
    """Prepare the task's data in the cache, once, and say where it is."""
    pipe = _pipe(events_fd)
    from runner.session import data_size
    from runner.settings_file import load

    place = (settings or Path("bot.toml")).resolve()
    chosen = load(place)
    if chosen.own_script:
        raise RequestError(
            f'task.kind in bot.toml is "{chosen.task.kind}": this project brings its own data, and '
            "there is nothing to prepare."
        )
    if size is not None:
        chosen = chosen.model_copy(update={"task": chosen.task.model_copy(update={"size": size})})
    from runner.events import DataEvent
    from runner.task import prepare as task
    from runner.task.salt import read_salt

    salt = read_salt(salt_file) if salt_file else None
    with _watching(pipe, chosen.metric_shown) as emit:
        data = task.prepare(
            data_size(place.parent, chosen),
            salt=salt,
            on_progress=lambda fraction, what: emit(DataEvent(fraction, what)),
            repair=repair,
            thorough=verify,
        )
    if as_json:
        click.echo(json.dumps({"folder": str(data.folder), "version": data.version}))
    else:
        click.echo(f"Data {data.version} is in {data.folder}", err=True)
