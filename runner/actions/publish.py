"""The report: what came back from the machine with the GPU, believed only if it fits.

Nothing of a result is taken on trust: its size, form, numbers and identity are checked against
what the gate let through. What the check says is display; the bot reads the document.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from runner.actions.documents import MOST_BYTES, AskedRun, Expected, Published
from runner.actions.hub import CheckRun
from runner.digests import data_digest
from runner.errors import RunnerError
from runner.result import Measurement, Status
from runner.settings import RunnerSettings
from runner.settings_file import explain
from runner.task.plausible import plausible

CHECK = "measurement"
_SLACK_S = 120.0  # of a machine that is slow to start and to end a sandbox
_TITLE_CHARACTERS = 200
_MOST_SUMMARY_BYTES = 65_535


class Unbelievable(RunnerError):
    """A result that is not what was asked for. Nothing of it is published."""


def read_results(path: Path) -> bytes:
    """The bytes of a result file, if it is a regular file of a sensible size."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unbelievable(
            f"There is no result that can be read ({path.name}: {error.strerror}). The run on the "
            "machine with the GPU failed; its log says why. The next step asks again."
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unbelievable(f"{path.name} is not a regular file.")
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Unbelievable(f"{path.name} has more than {MOST_BYTES:,} bytes.")
    return data


def believe(data: bytes, expected: Expected, settings: RunnerSettings) -> Published:
    """The document to publish. Raises Unbelievable, which names what does not fit."""
    measurements = _parse(data)
    if len(measurements) != len(expected.runs):
        raise Unbelievable(
            f"{len(expected.runs)} runs were asked for, {len(measurements)} results came back."
        )
    for position, (run, result) in enumerate(
        zip(expected.runs, measurements, strict=True), start=1
    ):
        for why in _misfits(run, result, expected, settings):
            raise Unbelievable(f"Result {position} of attempt {expected.attempt}: {why}.")
    classes = {result.runner_class.id for result in measurements}
    if len(classes) > 1:
        raise Unbelievable("The results come from different runner classes.")
    return Published(expected=expected, measurements=measurements)


def check_of(published: Published, metric: str) -> CheckRun:
    """What people see beside the head commit."""
    expected, results = published.expected, published.measurements
    sides = [run.side for run in expected.runs]
    own = [r for r, side in zip(results, sides, strict=True) if side == "candidate"]
    base = [r for r, side in zip(results, sides, strict=True) if side == "baseline"]
    failed = next((r for r in own if r.status is not Status.OK), None)
    conclusion = "neutral"
    if failed is not None:
        conclusion = "timed_out" if failed.status is Status.TIMED_OUT else "failure"
        told = _plain(failed.message)
        title = f"{failed.status}: {told}" if told else str(failed.status)
    else:
        title = _numbers(metric, own, base)
    rows = [
        "| run | side | seed | status | " + metric + " | training s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for run, result in zip(expected.runs, results, strict=True):
        value = "" if result.metric is None else f"{result.metric:.4g}"
        rows.append(
            f"| {run.index + 1} | {run.side} | {run.seed} | {result.status} | {value} "
            f"| {result.train_s:.0f} |"
        )
    first = results[0].runner_class
    words = (
        f"Attempt {expected.attempt}: the merge of `{expected.head_sha[:12]}` into "
        f"`{expected.base_sha[:12]}`, measured on {_plain(first.device)} with "
        f"{first.budget_s:.0f} s of training a run. The bot's next step judges it."
    )
    return CheckRun(
        name=CHECK,
        head_sha=expected.head_sha,
        external_id=expected.attempt,
        conclusion=conclusion,
        title=title[:_TITLE_CHARACTERS],
        summary=clip("\n".join([words, "", *rows])),
    )


def refusal(expected: Expected, why: str, run: str) -> CheckRun:
    """The trace of a result that was not believed; a later try has a check of its own."""
    return CheckRun(
        name=CHECK,
        head_sha=expected.head_sha,
        external_id=f"{expected.attempt} refused in run {run}",
        conclusion="cancelled",
        title="The result was not believed",
        summary=clip(f"Attempt {expected.attempt}: {_plain(why)}\n\nNothing of it counts."),
    )


def clip(text: str, limit: int = _MOST_SUMMARY_BYTES) -> str:
    """Within GitHub's limit, which counts bytes, on a character boundary."""
    return text.encode()[:limit].decode(errors="ignore")


def _numbers(metric: str, own: list[Measurement], base: list[Measurement]) -> str:
    mine = [r.metric for r in own if r.metric is not None]
    theirs = [r.metric for r in base if r.metric is not None]
    if not mine:
        return f"{metric} of the baseline {_mean(theirs):.4g}" if theirs else "no value"
    title = f"{metric} {_mean(mine):.4g}"
    if theirs:
        title += f" ({_mean(mine) - _mean(theirs):+.3g} against the baseline)"
    return title


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _plain(text: str) -> str:
    """Text of the machine's or the candidate's, without anything that Markdown would obey."""
    return "".join(
        character if character.isalnum() or character in " .,:;+-%_()/#=" else " "
        for character in text
    ).strip()


def _parse(data: bytes) -> list[Measurement]:
    try:
        document = json.loads(data)
        found = document["measurements"]
        # A number that JSON does not have, such as NaN, is refused by the models.
        return [Measurement.model_validate(item) for item in found]
    except ValidationError as error:
        raise Unbelievable(explain(error, "result")) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unbelievable(
            f"The result is not of the form {{'measurements': [...]}} ({type(error).__name__})."
        ) from None


def _misfits(
    run: AskedRun, result: Measurement, expected: Expected, settings: RunnerSettings
) -> Iterator[str]:
    """In words, what of a result cannot be."""
    files = expected.candidate if run.side == "candidate" else expected.baseline
    same = result.runner_class
    facts = same.model_dump(exclude={"id"})
    if not all(math.isfinite(number) for number in _numbers_in(result)):
        yield "a number is not finite"
        return
    if result.digests.candidate != files:
        yield f"other files were measured ({result.digests.candidate[:12]}, not {files[:12]})"
    if result.seed != run.seed:
        yield f"it was made with seed {result.seed} instead of {run.seed}"
    if result.split != "validation" or result.sealed is not None:
        yield "it was scored on another split than validation"
    if result.digests.harness != expected.harness or result.digests.scorer != expected.scorer:
        yield "it was measured with other files of the runner than those of the base branch"
    if same.id != data_digest(facts)[:12]:
        yield "its runner class is not what its id says"
    if result.digests.data != same.data_digest:
        yield "it names two different sets of data"
    budget_s = settings.budget.gpu_s if same.profile == "gpu" else settings.budget.cpu_s
    if same.budget_s != budget_s:
        yield f"the budget was {same.budget_s:g} s instead of {budget_s:g} s"
    if (result.metric is None) == (result.status is Status.OK):
        yield "status and metric contradict each other"
    if result.self_reported is not settings.self_reported:
        yield "it says of another kind of task who made its metric"
    ranked = result.metric is not None and not settings.own_script
    if ranked and not plausible(result.metric or 0.0, result.secondary):
        yield "no evaluation can give such a metric"
    limits = (
        (result.train_s, budget_s + settings.budget.grace_s + _SLACK_S),
        (result.predict_s, 10 * settings.budget.predict_s + _SLACK_S),
        (result.smoke_s, 86_400.0),
        (result.score_s, 86_400.0),
    )
    if any(not 0 <= seconds <= limit for seconds, limit in limits):
        yield "a duration is not possible"


def _numbers_in(value: Any) -> Iterator[float]:
    match value:
        case float():
            yield value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _numbers_in(getattr(value, name))
        case dict():
            for inner in value.values():
                yield from _numbers_in(inner)
        case list() | tuple():
            for inner in value:
                yield from _numbers_in(inner)
