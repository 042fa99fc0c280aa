"""`python -m runner gate`, `publish` and `wake`: the steps of measure.yml."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.errors import RequestError, RunnerError
from runner.text import clean_line

if TYPE_CHECKING:
    from runner.actions.documents import Asked, Expected

GATE_KEYS = {
    "expected": "what must come back: the inputs, with the digests of what is measured",
    "folder": "where the batch and the files are",
}
PUBLISH_KEYS = {
    "document": "the file to hand to the bot",
    "check": "the title of the check",
    "posted": "whether the check was made now; false if it was there already",
}
WAKE_KEYS = {"branch": "the branch on which the bot's next step was started"}

_EXIT_CODES = """\b
Exit codes: 0 done; 1 refused, or GitHub refused; 2 an input or bot.toml is wrong.
"""
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_MOST_CHARACTERS = 60_000  # GitHub allows 65,535 for all inputs together
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@click.command(
    epilog=f"""\b
Examples:
  python -m runner gate --pr=12 --head-sha="$HEAD_SHA" --base-sha="$BASE_SHA" \\
    --attempt=12.1 --runs="$RUNS" --out=handover
\b
RUNS is a JSON list, in the order in which to measure:
  [{{"index": 0, "side": "baseline", "seed": 7, "smoke": false}}, ...]
With GITHUB_OUTPUT set, `expected` becomes an output of the step.

{_EXIT_CODES}"""
)
@click.option("--pr", required=True, help="Number of the pull request.")
@click.option("--head-sha", required=True, help="Its head, as the bot saw it.")
@click.option("--base-sha", required=True, help="The commit of the base branch to merge it into.")
@click.option("--attempt", required=True, help="Which attempt this is, for example 12.1.")
@click.option("--runs", required=True, help="The runs, as JSON.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to make for the batch and the files.",
)
@_JSON
def gate(
    *,
    pr: str,
    head_sha: str,
    base_sha: str,
    attempt: str,
    runs: str,
    out: Path,
    as_json: bool,
) -> None:
    """Let an attempt through, or say why it must not be measured (in a job of measure.yml)."""
    from runner.actions.gate import gate as run
    from runner.actions.hub import Hub

    asked = read_inputs(pr=pr, head_sha=head_sha, base_sha=base_sha, attempt=attempt, runs=runs)
    with _told("Not measured"):
        hub = Hub.of_job()
        token = os.environ["GITHUB_TOKEN"]
        passed = run(asked, hub, Path.cwd(), _branch(), token)
        passed.hand_over(out)
    expected = passed.expected.model_dump_json()
    _output("expected", expected)
    if as_json:
        click.echo(json.dumps({"expected": json.loads(expected), "folder": str(out)}))
    click.echo(f"Attempt {attempt} of #{pr} may be measured.", err=True)


@click.command(
    epilog=f"""\b
Examples:
  python -m runner publish --results=results/results.json --out=measurement

{_EXIT_CODES}"""
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    required=True,
    help="What `runner measure --runs --json` printed on the machine with the GPU.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to make for the document that the bot reads.",
)
@_JSON
def publish(*, results: Path, out: Path, as_json: bool) -> None:
    """Check a result against what the gate let through, write it down, and post the check.

    A step of measure.yml. The variable EXPECTED holds what the gate gave out.
    """
    from runner.actions.documents import DOCUMENT
    from runner.actions.hub import Hub
    from runner.actions.publish import believe, check_of, read_results, refusal
    from runner.settings_file import load

    expected = _expected()
    hub = Hub.of_job()
    settings = load(Path("bot.toml"))
    with _told("Not believed"):
        try:
            published = believe(read_results(results), expected, settings)
        except RunnerError as error:
            hub.post_check(refusal(expected, str(error), os.environ.get("GITHUB_RUN_ID", "")))
            raise
    out.mkdir(parents=True)
    (out / DOCUMENT).write_text(published.model_dump_json())
    check = check_of(published, settings.metric.name)
    posted = hub.post_check(check)
    if as_json:
        told = {"document": str(out / DOCUMENT), "check": check.title, "posted": posted}
        click.echo(json.dumps(told))
    click.echo(f"Attempt {expected.attempt}: {check.title}", err=True)


@click.command(
    epilog=f"""\b
Examples:
  python -m runner wake

{_EXIT_CODES}"""
)
@_JSON
def wake(*, as_json: bool) -> None:
    """Start the bot's next step (the workflow step.yml)."""
    from runner.actions.hub import Hub

    branch = _branch()
    Hub.of_job().wake(branch)
    if as_json:
        click.echo(json.dumps({"branch": branch}))
    click.echo("The bot's next step is on its way.", err=True)


def read_inputs(*, pr: str, head_sha: str, base_sha: str, attempt: str, runs: str) -> Asked:
    """The inputs of the workflow, checked strictly. Raises RequestError."""
    from pydantic import ValidationError

    from runner.actions.documents import Asked
    from runner.settings_file import explain

    if not _NUMBER.fullmatch(pr):
        raise RequestError(f"--pr: must be a number; found {pr[:40]!r}")
    if len(runs) > _MOST_CHARACTERS:
        raise RequestError(f"--runs: has more than {_MOST_CHARACTERS:,} characters.")
    try:
        listed = json.loads(runs)
    except (ValueError, RecursionError):
        raise RequestError(f"--runs: is not JSON; found {runs[:40]!r}") from None
    given = {
        "pr": int(pr),
        "head_sha": head_sha,
        "base_sha": base_sha,
        "attempt": attempt,
        "runs": listed,
    }
    try:
        return Asked.model_validate(given)
    except ValidationError as error:
        raise RequestError(explain(error, "inputs")) from None


def _expected() -> Expected:
    from pydantic import ValidationError

    from runner.actions.documents import Expected
    from runner.settings_file import explain

    try:
        return Expected.model_validate_json(os.environ.get("EXPECTED", ""))
    except ValidationError as error:
        raise RequestError(explain(error, "EXPECTED, the output of the gate,")) from None


def _branch() -> str:
    """The branch on which the workflow was started: the base branch of the lab."""
    from runner.actions.hub import HubError

    name = os.environ.get("GITHUB_REF", "")
    if not name.startswith("refs/heads/"):
        raise HubError(
            f"GITHUB_REF is {name[:80]!r}, but this must run on the base branch. Start the "
            "workflow there."
        )
    return name.removeprefix("refs/heads/")


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """A refusal is shown where people look: as an annotation and in the summary of the job."""
    try:
        yield
    except RunnerError as error:
        lines = [clean_line(line.encode()) for line in str(error).split("\n")]
        _append("GITHUB_STEP_SUMMARY", "\n".join([f"### {what}", "", *(f"    {x}" for x in lines)]))
        if os.environ.get("GITHUB_ACTIONS"):
            click.echo(f"::error title={what}::{_escaped(' '.join(lines))}", err=True)
        raise


def _escaped(text: str) -> str:
    """For a workflow command: nothing in it can begin another one."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _output(name: str, value: str) -> None:
    """Set an output of the step; JSON holds no line break, so none can be smuggled in."""
    if "\n" in value or "\r" in value:
        raise RequestError("An output of the step must be one line.")
    _append("GITHUB_OUTPUT", f"{name}={value}")


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
