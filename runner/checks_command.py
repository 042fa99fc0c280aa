"""`python -m runner doctor` and `python -m runner redteam`: what the sandbox is worth here."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.errors import RequestError, RunnerError

if TYPE_CHECKING:
    from runner.doctor import Backend, Diagnosis
    from runner.redteam.case import Case
    from runner.redteam.diffs import DiffCase
    from runner.redteam.judge import Finding
    from runner.settings import RunnerSettings

DOCTOR_KEYS = {
    "chosen": "the backend that a measurement would get; empty if none",
    "why": "the reason",
    "machine": "words about control groups, GPU, interpreter, data, disk, user and kernel",
    "backends[].name": "`docker` or `bubblewrap`",
    "backends[].identity": "what it is; empty if it cannot be had here",
    "backends[].reason": "why it cannot be had",
    "backends[].expectations[].name": "what must be so inside",
    "backends[].expectations[].held": "whether it is",
    "backends[].expectations[].found": "what was seen from inside",
    "backends[].guarantees[].name": "what the backend promises",
    "backends[].guarantees[].held": "whether it holds on this machine",
    "backends[].guarantees[].how": "by what",
    "problems": "what does not hold and what to do; empty when all is well",
}
REDTEAM_KEYS = {
    "backend": "the backend that was attacked",
    "total": "how many attacks were made",
    "blocked": "how many of them were blocked",
    "cases[].name": "the attack",
    "cases[].family": "what it is after",
    "cases[].blocked": "whether it was blocked",
    "cases[].by": "what stopped it, or what it could do",
    "honest.before": "the metric of the honest candidate before the attacks",
    "honest.after": "the same afterwards",
    "honest.equal": "whether they are equal",
    "leftovers": "what was left behind on the machine; empty when all is well",
    "seconds": "how long it took",
}

_SETTINGS = click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="The bot.toml to use.  [default: bot.toml in the repository]",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class NotHeld(RunnerError):
    """Something that is promised does not hold; already told in full."""


@click.command(
    epilog="""\b
Examples:
  python -m runner doctor
  python -m runner doctor --json
\b
Exit codes: 0 all is well; 1 something promised does not hold; 2 bot.toml is wrong.
"""
)
@_SETTINGS
@_JSON
def doctor(*, settings: Path | None, as_json: bool) -> None:
    """Check what each sandbox really keeps from a candidate on this machine."""
    from runner.doctor import diagnose

    place, chosen = _settings(settings)
    found = diagnose(place, chosen)
    if as_json:
        click.echo(json.dumps(asdict(found)))
    else:
        _show(found)
    if found.problems:
        raise NotHeld(
            f"{len(found.problems)} of the things that should hold here do not: "
            + " | ".join(found.problems)
            + " If a sandbox is chosen that is not named in these lines, measuring is safe; "
            "otherwise do not run candidates here, and report it as SECURITY.md says."
        )


@click.command(
    epilog="""\b
Examples:
  python -m runner redteam
  python -m runner redteam --backend bubblewrap --only network --only fork_bomb
  python -m runner redteam --json
\b
Exit codes: 0 everything was blocked and nothing is left; 1 something was not;
2 a request or bot.toml is wrong; 4 no sandbox.
"""
)
@click.option(
    "--backend",
    type=click.Choice(["auto", "docker", "bubblewrap"]),
    help="Instead of sandbox.backend in bot.toml.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Only the cases or families of this name; can be repeated.",
)
@_SETTINGS
@_JSON
def redteam(
    *, backend: str | None, only: tuple[str, ...], settings: Path | None, as_json: bool
) -> None:
    """Run about 120 hostile candidates through the sandbox, and say what stopped each."""
    from runner.redteam.play import run_suite

    place, chosen = _settings(settings)
    if backend is not None:
        table = chosen.sandbox.model_copy(update={"backend": backend})
        chosen = chosen.model_copy(update={"sandbox": table})
    if chosen.sandbox.backend == "none":
        raise RequestError(
            'The red team does not run with the backend "none": its attacks would be real. '
            "Give --backend bubblewrap or docker."
        )
    cases, diffs = _select(only)
    report = run_suite(cases, place, chosen, lambda found: _tell(found, as_json), diffs)
    if as_json:
        click.echo(json.dumps(report.summary()))
    else:
        click.echo(f"blocked {report.blocked} of {len(report.findings)} ({report.backend})")
    if not report.passed:
        raise NotHeld(_not_held(report.summary()))


def _settings(settings: Path | None) -> tuple[Path, RunnerSettings]:
    from runner.settings_file import load

    place = (settings or Path("bot.toml")).resolve()
    return place.parent, load(place)


def _select(only: Sequence[str]) -> tuple[list[Case], list[DiffCase]]:
    from runner.redteam.diffs import cases as diff_cases
    from runner.redteam.suite import SUITE

    diffs = diff_cases()
    every: list[Case | DiffCase] = [*SUITE, *diffs]
    known = {name for case in every for name in (case.name, str(case.family))}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise RequestError(
            f"There is no case or family {unknown[0]!r}. The families are "
            f"{', '.join(sorted({str(case.family) for case in every}))}."
        )
    return (
        [case for case in SUITE if not only or case.name in only or case.family in only],
        [case for case in diffs if not only or case.name in only or case.family in only],
    )


def _tell(found: Finding, as_json: bool) -> None:
    word = "blocked" if found.blocked else "NOT BLOCKED"
    click.echo(f"{word}: {found.family}/{found.name}: {found.by}", err=as_json)


def _not_held(report: dict[str, Any]) -> str:
    lines = [f"{case['name']}: {case['by']}" for case in report["cases"] if not case["blocked"]]
    if not report["honest"]["equal"]:
        lines.append("an honest candidate got another metric after the suite than before")
    lines += [f"left behind: {one}" for one in report["leftovers"]]
    return (
        f"Not blocked, or not as before: {' | '.join(lines)}. Do not run candidates here with "
        "this backend, and report it as SECURITY.md says."
    )


def _show(found: Diagnosis) -> None:
    for name, value in found.machine.items():
        click.echo(f"{name:16} {value}")
    click.echo(f"{'sandbox':16} {found.chosen or 'NONE'}: {found.why}")
    for backend in found.backends:
        if not backend.identity:
            click.echo(f"\n{backend.name}: cannot be had here. {backend.reason}")
    rows = list(_rows([backend for backend in found.backends if backend.identity]))
    click.echo()
    if sys.stdout.isatty():
        _table(rows)
        return
    for backend_name, name, holds, how in rows:
        click.echo(f"{backend_name:11} {holds:4} {name:52} {how}")


def _rows(backends: Sequence[Backend]) -> list[tuple[str, str, str, str]]:
    rows = []
    for backend in backends:
        for expectation in backend.expectations:
            held = "yes" if expectation.held else "NO"
            rows.append((backend.name, expectation.name, held, f"seen: {expectation.found}"))
        for guarantee in backend.guarantees:
            held = "yes" if guarantee.held else "no"
            rows.append((backend.name, guarantee.name, held, guarantee.how))
    return rows


def _table(rows: Sequence[tuple[str, str, str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("backend", "what", "holds", "how, or what was seen")
    for row in rows:
        style = {"yes": "green", "no": "yellow", "NO": "bold red"}[row[2]]
        table.add_row(*(Text(word, style=style if word == row[2] else "") for word in row))
    Console().print(table)
