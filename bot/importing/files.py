"""The files that init proposes: bot.toml, program.md and scratchpad.md."""

from __future__ import annotations

from dataclasses import dataclass

import tomlkit

from bot.importing.metric import Guess
from bot.importing.script import Start

SCRATCHPAD = "# Scratchpad\n\n## Beliefs\n\nNothing is believed yet.\n"


@dataclass(frozen=True)
class Scored:
    """That predictions are scored: the keys of `[task]` for it."""

    inputs: str
    targets: str
    scorer: str


@dataclass(frozen=True)
class Plan:
    """Everything that the files say."""

    start: Start
    paths: tuple[str, ...]
    needs: tuple[str, ...]
    mounts: tuple[str, ...]
    python: str | None  # None: no Python is needed
    metric: Guess
    base: str
    budget_s: float
    smoke_s: float = 5
    stop_at_budget: bool = False
    scored: Scored | None = None  # None: the script prints its metric
    on_github: str | None = None  # the repository there, as "owner/name", if the bot works there


def bot_toml(plan: Plan) -> str:
    """The text of bot.toml."""
    start, metric = plan.start, plan.metric
    lines = [
        "# Settings of the bot. Every key has a default; Mergelab's docs/configuration.md explains",
        "# them all, its docs/import.md those of a script of one's own.",
        "",
        "[repository]",
        f"base = {_string(plan.base)}    # winners are merged into this branch",
        "",
        "[candidate]",
        f"paths = {_list(plan.paths)}    # the only files that an experiment may change",
        f"entry = {_string(start.script)}",
        f"command = {_list(start.command)}",
    ]
    if start.folder != ".":
        lines.append(f"folder = {_string(start.folder)}    # where the command is started")
    if plan.needs:
        lines.append(f"needs = {_list(plan.needs)}    # read, and not to be changed")
    if plan.python is not None:
        lines.append(f"python = {_string(plan.python)}")
    if start.environment:
        pairs = ", ".join(f"{key} = {_string(value)}" for key, value in start.environment.items())
        lines.append(f"environment = {{ {pairs} }}")
    lines += ["", "[task]", *_task(plan), "", "[metric]"]
    lines += [
        f"name = {_string(metric.name)}",
        f'direction = "{metric.direction}"    # which way it is better',
    ]
    if plan.scored is None:
        lines.append(f"pattern = {_string(metric.pattern)}")
    lines += [
        "",
        "[budget]",
        f"cpu_s = {plan.budget_s:g}    # seconds of a run without a GPU",
        f"gpu_s = {plan.budget_s:g}    # and with one",
        f"smoke_s = {plan.smoke_s:g}    # a new candidate's first run, to find plain mistakes",
    ]
    if plan.on_github:
        lines += ["", "[forge]", 'kind = "github"    # pull requests and measurements live there']
        lines.append(f"repository = {_string(plan.on_github)}")
        lines += [
            "",
            "[report]",
            'svg = "docs/progress.svg"    # for the README, and steps show it',
        ]
    for mount in plan.mounts:
        lines += ["", "[[mount]]    # data that is not in git, never writable"]
        lines.append(f"source = {_string(mount)}")
    return "\n".join(lines) + "\n"


def _task(plan: Plan) -> list[str]:
    if plan.scored is not None:
        return [
            'kind = "predictions"    # the script predicts, and what judges it is out of its reach',
            f"inputs = {_string(plan.scored.inputs)}    # what is predicted for; not in training",
            f"targets = {_string(plan.scored.targets)}    # the answers; for the scorer alone",
            f"scorer = {_string(plan.scored.scorer)}    # prints the metric as JSON",
        ]
    lines = ['kind = "reported"    # the script prints its metric itself']
    if plan.stop_at_budget:
        lines.append("stop_at_budget = true    # it knows no end: the last number printed counts")
    return lines


def program_md(plan: Plan) -> str:
    """The text of program.md: a frame with what is known, for a person to fill."""
    metric, direction = plan.metric.name, plan.metric.direction
    better = "Raise" if direction == "higher" else "Lower"
    files = ", ".join(f"`{path}`" for path in plan.paths)
    known = [
        f"- The baseline is `{' '.join(plan.start.command)}`"
        + (f"; on one run its {metric} was {plan.metric.value:g}." if _seen(plan) else "."),
        "- Runs of the same code differ. A difference counts only when it stands out from that.",
    ]
    return f"""# Programme

## Goal
{better} `{metric}`, as {_who(plan)}, within {plan.budget_s:g} seconds of wall-clock time.

## Constraints
- Only {files} may change. Keep it readable; no new dependencies.
- How `{metric}` is computed, and on which data, stays as it is: a better number must mean a
  better model.
- The seed comes from the environment variable `SEED`.
{_contract(plan)}
## What is known
{chr(10).join(known)}

## Ideas
<!-- Write here what you would try first, what has failed before, and what you do not want. -->
"""


def _who(plan: Plan) -> str:
    if plan.scored is None:
        return "the script reports it"
    return f"`{plan.scored.scorer}` computes it from predictions"


def _contract(plan: Plan) -> str:
    if plan.scored is None:
        return ""
    return (
        "- It is started twice. With `PHASE=train` it trains and saves what it needs in\n"
        "  `OUT_DIR`. With `PHASE=predict` it reads that from `MODEL_DIR`, and inputs without\n"
        "  answers from `DATA_DIR`, and writes predictions into `OUT_DIR`.\n"
    )


def _seen(plan: Plan) -> bool:
    return plan.metric.value is not None


def _string(text: str) -> str:
    """A TOML string; literal where that spares backslashes."""
    plain = "'" not in text and "\n" not in text and ("\\" in text or '"' in text)
    return tomlkit.string(text, literal=plain).as_string()


def _list(words: tuple[str, ...]) -> str:
    return f"[{', '.join(_string(word) for word in words)}]"
