"""The figures of a night as Markdown: the lab's ledger beside the journal of the searches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.figures import (
    NOT_MEASURED,
    Crossed,
    Sample,
    mean_text,
    number_text,
    share_text,
    table,
)
from bench.night_compared import BASELINE, BOT, NAMES, RELAXED, Compared
from bench.night_lab import Lab
from bench.searching import SAMPLERS, best
from bot.audits.report import HEADERS, Row, report_rows
from bot.history.ledger import LedgerEntry
from bot.text.figures import number, rounded
from bot.text.plain import inert_cell

LOWER_BY = 0.75
"""Target: by how much lower the sealed mean rank is after the night, as a share."""
CONFIRMED = 0.95
"""Target: the share of kept gains that an audit confirms."""
NOT_SHOWN = "not shown"
_PULLS = (
    "The interval beside a verdict is two-sided, at 95 %: of a winner's runs on fresh seeds alone, "
    "which confirm what the test over all of its runs found, and of all runs elsewhere. `worse` is "
    "one-sided, at 5 % (docs/verdict.md). So either interval may include zero."
)


def comparison(found: Compared) -> str:
    """The tables of the final runs, and what their intervals tell."""
    rows = []
    for arm in found.rows:
        rows.append((
            arm,
            str(len(found.arms.get(arm, ()))),
            mean_text(found.validation(arm)),
            mean_text(found.sealed(arm)),
            "" if arm == BASELINE else _gain_text(found.gain(arm, BASELINE)),
            "" if arm in (BASELINE, RELAXED) else _gain_text(found.gain(arm, RELAXED)),
        ))  # fmt: skip
    headers = ("code", "runs", "validation (95 % interval)", "sealed (95 % interval)")
    codes = table((*headers, "sealed gain over the baseline", "beyond the clamp fix"), rows)
    return "\n\n".join([codes, searches_told(found), lead_table(found)])


def searches_told(found: Compared) -> str:
    """How many searches there were, and so what the intervals mean."""
    counts = {name: sum(1 for each in found.searches[name].values() if each) for name in SAMPLERS}
    told = ", ".join(f"{number} of {NAMES[name]}" for name, number in counts.items())
    text = f"Searches: {told}; the bot has worked one night. "
    if max(counts.values()) > 1:
        text += (
            "Where there are several searches, the intervals of the differences below tell how "
            "much searches differ as well as seeds; all others"
        )
    else:
        text += "All intervals"
    return (
        f"{text} come from the seeds of the final trainings alone. No interval tells how much "
        "another night would differ, and with one search none tells how much another search would."
    )


def lead_table(found: Compared) -> str:
    """The bot less each kind of search, seed by seed."""
    rows = [
        (NAMES[name], str(len(lead.rows)) if lead else "0", _gain_text(lead))
        for name in SAMPLERS
        for lead in [found.lead(name, RELAXED)]
    ]
    what = "the bot's sealed gain beyond the clamp fix less theirs (95 % interval)"
    return table(("against", "searches compared", what), rows)


def searches_table(found: Compared) -> str:
    """What the searches took and which run chose their winner."""
    rows = []
    for name, searches in found.searches.items():
        for seed, lines in searches.items():
            chosen = best(lines, lower=found.lower)
            value = chosen.measurement.metric if chosen else None
            failed = sum(line.measurement.metric is None for line in lines)
            rows.append((
                f"{NAMES[name]}, seed {seed}",
                f"{len(lines)} of {found.runs}",
                str(failed) if lines else NOT_MEASURED,
                number_text(value, 4),
            ))  # fmt: skip
    return table(("search", "training runs", "failed", "its best single run on validation"), rows)


def document(lab: Lab, found: Compared, chart: str | None) -> str:
    """The whole report."""
    parts = [f"![All experiments over time]({chart})"] if chart else []
    parts += [
        _where(lab),
        lab_table(lab),
        "### Targets",
        targets_table(lab, found),
        "### The same training runs by other means",
        comparison(found),
        searches_table(found),
        "### Kept gains, claimed and confirmed",
        audits_table(lab.audited),
        "### Pull requests",
        _PULLS,
        pulls_table(lab.entries),
    ]
    return "\n\n".join(parts)


def lab_json(lab: Lab) -> dict[str, Any]:
    """The lab's own figures as plain data."""
    return {
        "experiments": len(lab.entries),
        "kept": len(lab.winners),
        "taken_back": lab.taken_back,
        "closed": lab.closed,
        "reasons": dict(lab.reasons),
        "training_runs": lab.runs,
        "audit_runs": lab.audit_runs[0],
        "audit_runs_afterwards": lab.audit_runs[1],
        "runs_per_experiment": lab.verdict_runs / len(lab.entries),
        "wall_s": lab.wall_s,
        "measuring_s": lab.measuring_s,
        "overhead": _overhead(lab),
        "audited": len(lab.audited),
        "replicated": sum(row.entry.replicated for row in lab.audited),
    }


def lab_table(lab: Lab) -> str:
    """Counts, runs and times."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in lab.reasons.most_common())
    rows = [
        ("experiments", str(len(lab.entries))),
        ("kept", str(len(lab.winners))),
        ("taken back after an audit", str(lab.taken_back)),
        ("closed", str(lab.closed)),
        ("verdicts, by reason", reasons),
        ("training runs of verdicts, baseline included", str(lab.verdict_runs)),
        ("training runs of audits before the last verdict", str(lab.audit_runs[0])),
        ("so many training runs has each search", str(lab.runs)),
        (
            "training runs of audits after the last verdict, which changed nothing",
            str(lab.audit_runs[1]),
        ),
        ("runs per experiment, without audits", number_text(lab.verdict_runs / len(lab.entries))),
        ("wall time, first pull request to last verdict", f"{lab.wall_s / 3600:.2f} h"),
        ("of it outside of runs", share_text(_overhead(lab))),
        ("of it training, the budget of each run", share_text(_training(lab))),
    ]
    return table(("what", "figure"), rows)


def targets_table(lab: Lab, found: Compared) -> str:
    """The targets of the task, and whether they were met: what intervals do not show is not."""
    whole = found.gain(BOT, BASELINE)
    ours, theirs = found.gain(BOT, RELAXED), found.search_gain("tpe", RELAXED)
    lead = found.lead("tpe", RELAXED)
    rows = [
        ("sealed mean rank lower by 75 % or more", _gain_text(whole), reached(whole, LOWER_BY)),
        ("95 % or more of the kept gains confirmed by an audit", *confirmed(lab)),
        ("beyond the clamp fix, as much as Optuna's TPE or more",
         f"{_gain_text(ours)}; TPE {_gain_text(theirs)}; the bot less TPE {_gain_text(lead)}",
         _of_searches(reached(lead, 0.0), lead) if found.complete("tpe")
         else f"{NOT_SHOWN}: searches lack runs"),
    ]  # fmt: skip
    return table(("target", "measured", "met"), rows)


def _of_searches(told: str, lead: Crossed | None) -> str:
    """An answer, and what it rests on where there is one search alone."""
    return f"{told}, against one search" if lead and len(lead.rows) == 1 else told


def reached(gain: Sample | Crossed | None, least: float) -> str:
    """Whether a gain is at least so large: yes or no where its whole interval says so."""
    if gain is None:
        return NOT_MEASURED
    if gain.interval is None:
        return NOT_SHOWN
    low, high = gain.interval
    return "yes" if low >= least else "no" if high < least else NOT_SHOWN


def confirmed(lab: Lab) -> tuple[str, str]:
    """What audits say of all winners, and whether the target is met, which takes all of them."""
    kept = len(lab.winners)
    said = [row.entry.replicated for row in lab.audited if row.entry.number in lab.winners]
    if not said:
        return f"none of {kept} kept was audited", NOT_MEASURED
    failed, missing = said.count(False), kept - len(said)
    gains = [row.entry.confirmed for row in lab.audited if row.entry.number in lab.winners]
    shown = sum(gain is not None and gain.low > 0 for gain in gains)
    told = (
        f"{said.count(True)} of {kept} kept confirmed, {shown} of them with a gain that the 95 % "
        f"interval shows; {failed} not, {missing} not audited"
    )
    if (kept - failed) / kept < CONFIRMED:
        return told, "no"
    return told, NOT_SHOWN if missing else "yes"


def audits_table(audited: Sequence[Row]) -> str:
    """Every audited winner, gains in the metric's units with 95 % intervals; positive is better."""
    rows = [(each, inert_cell(title, 90), *rest) for each, title, *rest in report_rows(audited)]
    if len(audited) > 1:
        largest = max(audited, key=_claim)
        *_, (_, _, *sums) = report_rows([row for row in audited if row is not largest])
        rows.append(("", f"without the largest claim (#{largest.entry.number})", *sums))
    return table(HEADERS, rows or [("", NOT_MEASURED, "", "", "", "", "")])


def _claim(row: Row) -> float:
    return row.entry.claimed.value if row.entry.claimed else 0.0


def pulls_table(entries: Sequence[LedgerEntry]) -> str:
    """Every experiment in one line."""
    rows = []
    for entry in entries:
        change = "" if entry.difference is None else rounded(entry.difference, 3, sign=True)
        if entry.interval and all(map(math.isfinite, entry.interval)):
            change += f" ({', '.join(rounded(end, 3, sign=True) for end in entry.interval)})"
        value = "" if entry.value is None else number(entry.value)
        verdict = f"{entry.outcome} ({entry.reason})"
        title = f"#{entry.number} {inert_cell(entry.title, 90)}"
        rows.append((title, verdict, value, change, str(len(entry.runs()))))
    return table(("pull request", "verdict", "mean rank", "difference (interval)", "runs"), rows)


def _where(lab: Lab) -> str:
    facts = lab.facts
    told = f"Runner class `{lab.runner_class}`, {lab.place.settings.metric_shown}, {lab.days} (UTC)"
    if facts is None:
        return f"{told}."
    software = f"PyTorch {facts.torch}, {facts.interpreter}, {facts.sandbox}"
    return f"{told}: {facts.device}, {facts.data}, {facts.budget_s:g} s of training; {software}."


def _training(lab: Lab) -> float | None:
    if lab.facts is None or lab.wall_s <= 0:
        return None
    return lab.runs * lab.facts.budget_s / lab.wall_s


def _overhead(lab: Lab) -> float | None:
    return 1 - lab.measuring_s / lab.wall_s if lab.wall_s > 0 else None


def _gain_text(gain: Sample | Crossed | None) -> str:
    if gain is None:
        return NOT_MEASURED
    told = share_text(gain.mean, sign=True)
    if gain.interval is None:
        return told
    low, high = (share_text(end, sign=True) for end in gain.interval)
    return f"{told} ({low} to {high})"
