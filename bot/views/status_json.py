"""Where the programme stands, as data."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from bot.history.past import latest_class
from bot.run.heartbeat import Heartbeat
from bot.views.status import Status, deviation

STATUS_KEYS = {
    "base": "the branch that winners are merged into",
    "base.branch": "its name",
    "base.commit": "where it is",
    "metric": "the metric of bot.toml",
    "metric.name": "its name",
    "metric.direction": "which way it is better: `lower` or `higher`",
    "metric.self_reported": "whether the script prints it itself, so that nothing checks it",
    "baseline": "the files of the base branch",
    "baseline.metric": "mean of their runs in the latest runner class, null before any",
    "baseline.runs": "how many runs those are",
    "runner_class": "the runner class of the latest measured experiment, empty before any",
    "phase": "the phase of the programme that holds (`bot phase` tells more)",
    "phase.name": "its name",
    "phase.experiments": "experiments since it began, open ones included",
    "phase.budget_left": "how many it may still begin; null without a budget",
    "phase.patience_left": "how many more without a win end it; null if it is endless",
    "at_work": "whether a process is carrying out a step in this clone now",
    "run": "how `python -m bot run` stands by its heartbeat; null where none is alive",
    "run.phase": "`working`, `waiting` or `stopping`",
    "run.since": "when it was started, seconds since 1970 (UTC)",
    "run.concluded": "verdicts since then",
    "run.busy": "the share of all slots' time in which runs were made, or null",
    "run.slots": "what is measured now",
    "run.slots[].name": "the slot: a GPU, or the cores together",
    "run.slots[].experiment": "number of the pull request; null for an audit, or where it is idle",
    "run.slots[].done": "runs of its attempt that are finished",
    "run.slots[].total": "runs of its attempt",
    "run.note": "why it waits or stops, empty otherwise",
    "open": "open experiments",
    "open[].number": "number of the pull request",
    "open[].title": "the hypothesis in one line",
    "open[].runs": "finished runs, the baseline's included",
    "open[].missing": "runs that were asked for and have no result yet",
    "next": "what the next step would do first, in words",
    "finished": "finished experiments",
    "merged": "how many of them were merged",
    "reasons": "how many of them ended for each reason",
    "audited": "how many winners were audited",
    "noise": "how much repeated runs of the same code differ in the latest runner class; null "
    "before any code was run twice",
    "noise.standard_deviation": "of one run: a share of the mean, or in the metric's units",
    "noise.relative": "whether it is a share of the mean",
    "noise.degrees_of_freedom": "how well it is known",
    "expected_false_merges": "how many of all merges are expected to be false, at most",
    "spent": "what was used up so far",
    "spent.usd": "US dollars for proposals",
    "spent.tokens": "tokens of every kind",
    "spent.experiments": "experiments, open ones included",
    "spent.gpu_hours": "hours of sandboxed runs, whatever the device",
    "caps": "the limits of bot.toml, null where there is none",
    "caps.max_usd": "US dollars",
    "caps.max_tokens": "tokens",
    "caps.max_experiments": "experiments",
    "caps.max_gpu_hours": "hours of sandboxed runs",
    "cap_reached": "what keeps the bot from proposing, empty if nothing does",
}
"""Every key of `status_json` and its meaning."""


def status_json(found: Status) -> dict[str, Any]:
    """A status as data, with the keys of `STATUS_KEYS`."""
    settings, view, totals = found.place.settings, found.view, found.totals
    reasons = Counter(str(entry.reason) for entry in view.entries)
    values, noise, phase = found.baseline, found.noise, view.snapshot.phase
    return {
        "base": {"branch": settings.repository.base, "commit": view.snapshot.base},
        "metric": {
            "name": settings.metric.name,
            "direction": settings.metric.direction,
            "self_reported": settings.self_reported,
        },
        "baseline": {
            "metric": math.fsum(values) / len(values) if values else None,
            "runs": len(values),
        },
        "runner_class": latest_class(view.entries),
        "phase": phase
        and {
            "name": phase.phase.name,
            "experiments": phase.experiments,
            "budget_left": phase.budget_left,
            "patience_left": phase.patience_left,
        },
        "at_work": found.at_work,
        "run": _run_json(found.beat),
        "open": [
            {
                "number": one.pull.number,
                "title": one.pull.title,
                "runs": one.runs,
                "missing": one.missing,
            }
            for one in found.open
        ],
        "next": found.next,
        "finished": len(view.entries),
        "merged": sum(entry.reason.outcome == "merged" for entry in view.entries),
        "reasons": dict(reasons),
        "audited": len({audit.number for audit in view.audits}),
        "noise": None
        if noise is None
        else {
            "standard_deviation": deviation(noise),
            "relative": noise.relative,
            "degrees_of_freedom": noise.df,
        },
        "expected_false_merges": found.multiplicity.expected,
        "spent": {
            "usd": totals.cost.usd,
            "tokens": totals.cost.tokens,
            "experiments": totals.experiments,
            "gpu_hours": totals.gpu_hours,
        },
        "caps": settings.caps.model_dump(),
        "cap_reached": found.cap_reached,
    }


def _run_json(beat: Heartbeat | None) -> dict[str, Any] | None:
    if beat is None:
        return None
    state = beat.state
    return {
        "phase": str(state.phase),
        "since": state.started,
        "concluded": state.concluded,
        "busy": state.busy,
        "slots": [
            {"name": s.name, "experiment": s.experiment, "done": s.done, "total": s.total}
            for s in state.slots
        ],
        "note": state.note,
    }
