"""From a repository and what a person said to a plan that is proven by one run in the sandbox."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.importing import metric as metrics
from bot.importing.files import Plan, Scored, bot_toml
from bot.importing.interpreter import Python, check_python, find_python
from bot.importing.metric import Direction, Guess
from bot.importing.project import CannotImport, Project
from bot.importing.reads import Reads, find_reads
from bot.importing.script import Start, as_told, find_script, how_started, takes_seed
from bot.importing.workflows import on_github
from bot.proposers.constants import NotEditable, find
from bot.settings import parse
from runner.client import run_batch
from runner.errors import InvalidOutput, RunnerError
from runner.events import Emit
from runner.request import BatchRequest, RunRequest
from runner.result import Measurement, Stage, Status
from runner.settings import RunnerSettings

_ANYTHING = r"(\S+)\s*$"  # a first run only shows what is printed
_LEAST_BUDGET_S = 10.0


@dataclass(frozen=True)
class Told:
    """What a person said on the command line; None or empty where they left it open."""

    script: str | None = None
    command: str | None = None
    folder: str | None = None
    paths: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    python: str | None = None
    metric: str | None = None
    pattern: str | None = None
    direction: Direction | None = None
    budget_s: float = 120.0
    on_github: bool = False  # whether the bot is to work there
    scored: Scored | None = None  # whether its predictions are to be scored, and by what


@dataclass(frozen=True)
class Proven:
    """A plan, what its one run said, and remarks for the person."""

    plan: Plan
    baseline: Measurement | None
    remarks: tuple[str, ...] = field(default_factory=tuple)


def guess(project: Project, told: Told, base: str) -> Proven:
    """Everything that the files alone tell. Raises CannotImport."""
    script = find_script(project, told.script)
    source = project.text(script)
    if told.command is None:
        start = how_started(project, script)
        start = start if told.folder is None else replace(start, folder=told.folder)
    else:
        start = as_told(told.command, script, told.folder or ".", source)
    reads = find_reads(project, start)
    paths = told.paths or (script,)
    for path in paths:
        if path not in project.tracked:
            raise CannotImport(f"--edit {path}: this is no file that is committed here.")
    needs = told.needs or tuple(path for path in reads.needs if path not in paths)
    python, remarks = _python(project, start, reads, told)
    known = _metric(source, told)
    if told.scored is not None:
        _check_there(project, told.scored)
        needs = tuple(dict.fromkeys((*needs, told.scored.scorer)))
    plan = Plan(
        start=start,
        paths=tuple(dict.fromkeys((script, *paths))),
        needs=tuple(path for path in needs if path not in paths),
        mounts=told.data or reads.mounts,
        python=python,
        metric=known or Guess("metric", told.direction or "lower", _ANYTHING),
        base=base,
        budget_s=told.budget_s,
        scored=told.scored,
        on_github=on_github(project.repository) if told.on_github else None,
    )
    if not any(takes_seed(start, project.text(path)) for path in (script, *paths, *needs)):
        remarks.append(
            f"{script} does not seem to use the run's seed. Without it the spread between runs is "
            'not seen: seed it from os.environ["SEED"], or add {seed} to candidate.command.'
        )
    remarks += _about_constants(project, script)
    settings_of(plan)  # whether it contradicts itself, before anything is run
    return Proven(plan, None, tuple(remarks))


def prove(project: Project, proven: Proven, told: Told, emit: Emit, *, unconfined: bool) -> Proven:
    """Run the baseline once in the sandbox and let its output correct the plan.

    Raises:
        CannotImport: it failed, or no metric was read; the message shows what it printed.
    """
    if proven.plan.scored is not None:
        return _prove_scored(project, proven, emit, unconfined)
    plan = replace(proven.plan, stop_at_budget=True)
    result = _run(project.folder, plan, emit, unconfined)
    log = result.log_tail
    if result.status not in {Status.OK, Status.INVALID_OUTPUT} or result.stage is Stage.SMOKE:
        asks = re.search(r"\bPHASE\b", project.text(plan.start.script))
        guide = f"\nIt asks for PHASE: have its predictions scored. {_GUIDE}" if asks else ""
        raise CannotImport(
            f"The baseline run failed: {result.message}.\n{_shown(log)}\n{_ADVICE}{guide}"
        )
    found = _read(log, plan.metric, told)
    if found is None or found.value is None:
        raise CannotImport(
            "The baseline ran, but no metric was recognised in what it printed. Say how it is "
            f"found, for example --metric val_loss --pattern 'val_loss: (\\S+)'.\n{_OR_SCORED}\n"
            f"{_shown(log)}"
        )
    stopped = result.train_s >= plan.budget_s
    budget_s = plan.budget_s if stopped else max(_LEAST_BUDGET_S, math.ceil(2 * result.train_s))
    remarks = list(proven.remarks)
    if stopped:
        remarks.append(
            f"It still ran after {plan.budget_s:g} s and was stopped; the last number that it "
            "printed counts (task.stop_at_budget). Choose the budget with --budget."
        )
    if told.metric is None and told.pattern is None and not metrics.is_held_out(found):
        remarks.append(
            f"Nothing in the line says that {found.name} was measured on data that the script did "
            "not train on. If it was not, whatever learns by heart will look like progress: print "
            f"such a number (--metric), or have predictions scored. {_GUIDE}"
        )
    final = replace(plan, metric=found, budget_s=budget_s, stop_at_budget=stopped)
    return Proven(final, result, tuple(remarks))


def _prove_scored(project: Project, proven: Proven, emit: Emit, unconfined: bool) -> Proven:
    """Train, predict and score once. Raises CannotImport: no metric came of it."""
    plan = proven.plan
    result = _run(project.folder, plan, emit, unconfined)
    if result.metric is None:
        raise CannotImport(
            f"The baseline run came to no {plan.metric.name}: {result.message}.\n"
            f"{_shown(result.log_tail)}\n{_GUIDE}\n{_ADVICE}"
        )
    budget_s = max(_LEAST_BUDGET_S, math.ceil(2 * result.train_s))
    final = replace(plan, metric=replace(plan.metric, value=result.metric), budget_s=budget_s)
    return Proven(final, result, proven.remarks)


_GUIDE = (
    'What to write, and where: docs/import.md, "Scored predictions"; then '
    "python -m bot init --inputs PATH --targets PATH"
)
_OR_SCORED = (
    "Or have its predictions scored, which a candidate cannot forge either: the script saves its "
    "model, is started again to predict for inputs that it has not seen, and a scorer of yours "
    f"prints the number. {_GUIDE}"
)
_ADVICE = (
    "Nothing was written. What a script reads must be committed (candidate.needs, --needs) or "
    "data that is shown to it (--data); there is no network in the sandbox; its interpreter is "
    "chosen with --python."
)


def settings_of(plan: Plan) -> RunnerSettings:
    """The runner's part of the proposed bot.toml, read as it will be read. Raises SettingsError."""
    settings = parse(bot_toml(plan).encode(), "the proposed bot.toml")
    mine = {name: getattr(settings, name) for name in RunnerSettings.model_fields}
    return RunnerSettings.model_validate(mine)


def _run(folder: Path, plan: Plan, emit: Emit, unconfined: bool) -> Measurement:
    request = BatchRequest(
        repository=str(folder),
        runs=[RunRequest(id="baseline", files=".", seed=0, smoke=False)],
        settings=settings_of(plan),
    )
    try:
        return run_batch(request, emit, unconfined=unconfined)["baseline"]
    except RunnerError as error:
        raise CannotImport(f"{error}\n{_ADVICE}") from None


def _read(log: str, known: Guess, told: Told) -> Guess | None:
    """The metric in an output: as it was named or guessed before, else what looks like one."""
    if known.pattern != _ANYTHING:
        try:
            value, line = metrics.value_in(log, known.table), metrics.line_of(log, known.table)
            return replace(known, value=value, line=line)
        except InvalidOutput:
            if told.pattern or told.metric:
                return None
    seen = metrics.in_output(log)
    return replace(seen, direction=told.direction) if seen and told.direction else seen


def _check_there(project: Project, scored: Scored) -> None:
    for option, path in (("--inputs", scored.inputs), ("--targets", scored.targets)):
        if path and not (project.folder / Path(path).expanduser()).exists():
            raise CannotImport(f"{option} {path}: there is no such file or folder.")


def _metric(source: str, told: Told) -> Guess | None:
    if told.scored is not None:
        return metrics.named(told.metric or "error", "", told.direction)
    if told.metric or told.pattern:
        return metrics.named(told.metric or "metric", told.pattern, told.direction)
    found = metrics.in_source(source)
    return replace(found, direction=told.direction) if found and told.direction else found


def _python(
    project: Project, start: Start, reads: Reads, told: Told
) -> tuple[str | None, list[str]]:
    if not start.is_python:
        return None, []
    found: Python | None
    if told.python:
        found = check_python(project.folder, told.python, reads.modules)
    else:
        found = find_python(project.folder, reads.modules)
    if found is None:
        raise CannotImport("No Python interpreter was found. Name one: --python PATH")
    if not found.missing:
        return found.path, []
    lacks = ", ".join(found.missing)
    return found.path, [f"{found.path} lacks {lacks}, which the script imports. Install it there."]


def _about_constants(project: Project, script: str) -> list[str]:
    """What the proposer `search` could do with it."""
    if not script.endswith(".py"):
        return [
            "The proposer search changes constants of Python scripts only. Choose another one: "
            '[proposer] name = "claude" or "command" (docs/proposers.md), or open your own ideas '
            "with python -m bot open."
        ]
    try:
        constants = find(project.text(script).encode()).constants
    except NotEditable:
        constants = ()
    if constants:
        return []
    return [
        f"{script} has no constants at its top that the proposer search could tune. Write some "
        "there, between the marker lines of docs/task.md, or choose another proposer."
    ]


def _shown(log: str) -> str:
    lines = log.strip().splitlines()[-12:]
    return (
        "It printed:\n" + "\n".join(f"  {line[:200]}" for line in lines)
        if lines
        else ("It printed nothing.")
    )
