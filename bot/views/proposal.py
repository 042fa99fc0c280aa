"""What init tells of a project: what was found, the files that it would write, what comes next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import click

from bot.importing.files import Plan
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
    told = f"as {plan.start.told_in} says" if plan.start.told_in else "no file here says how"
    yield f"Script     {plan.start.script}"
    yield f"Started    {' '.join(plan.start.command)}  ({told})"
    read = ", ".join((*plan.needs, *plan.mounts))
    yield f"Reads      {read or 'nothing else that was noticed'}"
    yield f"Python     {plan.python or 'not needed'}"
    if result is not None and plan.metric.value is not None:
        yield (
            f"Baseline   {plan.metric.name}{_said_by(plan)} {plan.metric.value:g}, "
            f"{plan.metric.direction} is better; it took {result.train_s:.1f} s"
        )
    if plan.metric.line:
        yield f"Read from  {plan.metric.line}"


def _said_by(plan: Plan) -> str:
    return " (self-reported)" if plan.scored is None else ""


def tell_next(proposal: Proposal, plan: Plan | None, *, workflows: bool) -> None:
    """What to do after the files were written.

    Args:
        proposal: what was written.
        plan: what bot.toml says, if it is among it.
        workflows: whether the project is to be worked on by GitHub Actions.
    """
    if not proposal.files:
        click.echo("\nEverything is there already.", err=True)
        return
    click.echo("\n".join(("", *_next(proposal, plan, workflows))), err=True)


def _next(proposal: Proposal, plan: Plan | None, workflows: bool) -> Iterator[str]:
    begins = bool(plan and plan.scored and plan.scored.scorer in proposal.files)
    names = shlex.join(proposal.files)
    # A scorer that was there already may not be committed yet, and only committed files count.
    scorer = [plan.scored.scorer] if plan and plan.scored else []
    added = shlex.join(dict.fromkeys((*proposal.files, *scorer)))
    yield f"Written: {names}. " + ("Say in program.md what you want, then:" if plan else "Then:")
    if plan and plan.scored and begins:
        yield (
            f"  edit {plan.scored.scorer} and {plan.start.script} until the first can read what "
            "the second predicts (program.md)"
        )
        yield f"  python -m runner measure --candidate {plan.start.script}    # shows the metric"
    yield f"  git add {added} && git commit -m 'Let the bot experiment'"
    if workflows:
        yield "  git push"
        yield "  python -m bot init --github    # with GITHUB_TOKEN: settings of the repository"
        yield "docs/github.md tells of the rest: who the bot is, the machine with the GPU."
    else:
        yield "  python -m bot step"
    if plan and plan.scored is None:
        yield (
            "The script's numbers are self-reported. How to have its predictions scored instead: "
            'docs/import.md,\n"Scored predictions".'
        )


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
