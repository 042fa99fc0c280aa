"""What init tells of a project: what was found, the files that it would write, what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from bot.importing.guess import Proven
from bot.importing.proposal import Proposal
from bot.text.plain import for_terminal


def show(
    proven: Proven | None, proposal: Proposal, remarks: Sequence[str], *, carried: bool
) -> None:
    """Everything that would be written, before it is: on standard error."""
    lines = list(_found(proven)) if proven else []
    lines += [f"Note: {remark}" for remark in remarks]
    lines += [f"{path} is there already and stays as it is." for path in proposal.kept]
    if carried:
        lines.append("Pushes to and fetches from origin will carry refs/forge/pulls (git config).")
    for path, text in proposal.files.items():
        lines += ["", f"--- {path}", text.rstrip()]
    click.echo(for_terminal("\n".join(lines)), err=True)


def _found(proven: Proven) -> Iterator[str]:
    plan, result = proven.plan, proven.baseline
    told = f"as {plan.start.told_in} says" if plan.start.told_in else "as its kind is started"
    yield f"Script     {plan.start.script}"
    yield f"Started    {' '.join(plan.start.command)}  ({told})"
    read = ", ".join((*plan.needs, *plan.mounts))
    yield f"Reads      {read or 'nothing else that was noticed'}"
    yield f"Python     {plan.python or 'not needed'}"
    if result is not None and plan.metric.value is not None:
        yield (
            f"Baseline   {plan.metric.name} (self-reported) {plan.metric.value:g}, "
            f"{plan.metric.direction} is better; it took {result.train_s:.1f} s"
        )
    if plan.metric.line:
        yield f"Read from  {plan.metric.line}"


def tell_next(proposal: Proposal, *, settings: bool, workflows: bool) -> None:
    """What to do after the files were written.

    Args:
        proposal: what was written.
        settings: whether bot.toml is among it.
        workflows: whether the project is to be worked on by GitHub Actions.
    """
    if not proposal.files:
        click.echo("\nEverything is there already.", err=True)
        return
    names = " ".join(proposal.files)
    commit = f"  git add {names} && git commit -m 'Let the bot experiment'\n"
    if settings:
        words = f"\nWritten: {names}. Say in program.md what you want, then:\n{commit}"
    else:
        words = f"\nWritten: {names}. Then:\n{commit}"
    if workflows:
        words += (
            "  git push\n"
            "  python -m bot init --github    # with GITHUB_TOKEN: settings of the repository\n"
            "docs/github.md tells of the rest: who the bot is, the machine with the GPU.\n"
        )
    else:
        words += "  python -m bot step\n"
    if settings:
        words += (
            "The script's numbers are self-reported. How to have its predictions scored instead: "
            'docs/import.md,\n"From printed numbers to scored predictions".'
        )
    click.echo(words.rstrip(), err=True)


def as_json(
    proven: Proven | None,
    proposal: Proposal,
    remarks: Sequence[str],
    refspecs: Sequence[str],
    agreed: bool,
) -> dict[str, Any]:
    """The object that `init --json` prints."""
    told: dict[str, Any] = {
        "written": list(proposal.files) if agreed else [],
        "kept": list(proposal.kept),
        "files": dict(proposal.files),
        "command": None,
        "told_in": None,
        "metric": None,
        "seconds": None,
        "refspecs": list(refspecs),
        "remarks": list(remarks),
    }
    if proven is None:
        return told
    plan = proven.plan
    return told | {
        "command": list(plan.start.command),
        "told_in": plan.start.told_in,
        "metric": {
            "name": plan.metric.name,
            "direction": plan.metric.direction,
            "pattern": plan.metric.pattern,
            "value": plan.metric.value,
        },
        "seconds": proven.baseline.train_s if proven.baseline else None,
    }
