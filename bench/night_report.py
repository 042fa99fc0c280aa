"""The figures of a night as Markdown: the lab's ledger beside the journal of the searches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import NOT_MEASURED, Sample, mean_text, number_text, share_text, table
from bench.journal import Line
from bench.night_lab import Lab
from bench.searching import SAMPLERS, best
from bot.audits.report import Row
from bot.history.ledger import LedgerEntry
from bot.text.figures import number, rounded
from bot.text.plain import inert_cell

FINAL = "final"
BASELINE, RELAXED, BOT = "first baseline", "clamp relaxed", "the bot's last baseline"
WINNERS: Mapping[str, str] = {"tpe": "best of TPE", "random": "best of random search"}
ROWS = (BASELINE, RELAXED, BOT, *WINNERS.values())

LOWER_BY = 0.75
"""Target: by how much lower the sealed mean rank is after the night, as a share."""
CONFIRMED = 0.95
"""Target: the share of kept gains that an audit confirms."""


def trials(lines: Sequence[Line], sampler: str, runs: int, place: str) -> list[Line]:
    """The first so many trials of a search in one runner class, the latest of each number."""
    own = [line for line in lines if line.study == sampler and line.place == place]
    latest = {line.number: line for line in own}
    return [latest[number] for number in range(runs) if number in latest]


@dataclass(frozen=True)
class Compared:
    """The journal of one runner class: `arms` are the final runs of each code, on shared seeds.

    `searches` are the trials by sampler, so many as the lab took runs, or fewer so far.
    """

    runs: int
    lower: bool
    searches: Mapping[str, Sequence[Line]]
    arms: Mapping[str, Sequence[Line]]

    def validation(self, arm: str) -> Sample | None:
        """The metric of the final runs of a code."""
        return _sample([line.measurement.metric for line in self.arms.get(arm, ())])

    def sealed(self, arm: str) -> Sample | None:
        """The same on the sealed split, of the same trainings."""
        return _sample([_sealed(line) for line in self.arms.get(arm, ())])

    def gain(self, arm: str, base: str) -> Sample | None:
        """Seed by seed on the sealed split, the gain over `base` as a share of its mean.

        Positive is better.
        """
        one = {line.measurement.seed: _sealed(line) for line in self.arms.get(arm, ())}
        other = {line.measurement.seed: _sealed(line) for line in self.arms.get(base, ())}
        level = self.sealed(base)
        if level is None:
            return None
        sign = -1 if self.lower else 1
        changes = [
            None if (a := one[seed]) is None or (b := other[seed]) is None else sign * (a - b)
            for seed in sorted(one.keys() & other.keys())
        ]
        return _sample([None if change is None else change / level.mean for change in changes])

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data; what was not measured is null or missing."""
        return {
            "runs": self.runs,
            "searches": {
                name: {
                    "runs": len(found),
                    "best": winner.measurement.metric if winner else None,
                    "values": dict(winner.values) if winner else None,
                }
                for name, found in self.searches.items()
                for winner in [best(found, lower=self.lower)]
            },
            "final": {
                arm: {
                    "validation": list(validation.values) if validation else [],
                    "sealed": list(sealed.values) if sealed else [],
                }
                for arm in ROWS
                for validation, sealed in [(self.validation(arm), self.sealed(arm))]
            },
        }


def compared(lines: Sequence[Line], runs: int, place: str, *, lower: bool) -> Compared:
    """The lines of one runner class. Of a code that was changed the latest version counts."""
    own = [line for line in lines if line.place == place and line.study == FINAL]
    latest = {line.arm: line.measurement.digests.candidate for line in own}
    arms = {
        arm: [
            line for line in own if line.arm == arm and line.measurement.digests.candidate == digest
        ]
        for arm, digest in latest.items()
    }
    searches: dict[str, Sequence[Line]] = {
        name: trials(lines, name, runs, place) for name in SAMPLERS
    }
    return Compared(runs, lower, searches, arms)


def comparison(found: Compared) -> str:
    """The table of the final runs."""
    rows = []
    for arm in ROWS:
        rows.append((
            arm,
            str(len(found.arms.get(arm, ()))),
            mean_text(found.validation(arm)),
            mean_text(found.sealed(arm)),
            _gain_text(found.gain(arm, BASELINE) if arm != BASELINE else None, arm == BASELINE),
            _gain_text(
                found.gain(arm, RELAXED) if arm not in (BASELINE, RELAXED) else None,
                arm in (BASELINE, RELAXED),
            ),
        ))  # fmt: skip
    headers = ("code", "runs", "validation (95 % interval)", "sealed (95 % interval)")
    return table((*headers, "sealed gain over the baseline", "beyond the clamp fix"), rows)


def searches_table(found: Compared) -> str:
    """What the searches took and which run chose their winner."""
    rows = []
    for name, lines in found.searches.items():
        winner = best(lines, lower=found.lower)
        value = winner.measurement.metric if winner else None
        failed = sum(line.measurement.metric is None for line in lines)
        rows.append((
            WINNERS[name].removeprefix("best of "),
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
        pulls_table(lab.entries),
    ]
    return "\n\n".join(parts)


def lab_json(lab: Lab) -> dict[str, Any]:
    """The lab's own figures as plain data."""
    return {
        "experiments": len(lab.entries),
        "kept": lab.kept,
        "taken_back": lab.taken_back,
        "closed": lab.closed,
        "reasons": dict(lab.reasons),
        "training_runs": lab.runs,
        "runs_per_experiment": lab.runs / len(lab.entries),
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
        ("kept", str(lab.kept)),
        ("taken back after an audit", str(lab.taken_back)),
        ("closed", str(lab.closed)),
        ("for which reasons", reasons),
        ("training runs, baseline included", str(lab.runs)),
        ("runs per experiment", number_text(lab.runs / len(lab.entries))),
        ("wall time, first pull request to last verdict", f"{lab.wall_s / 3600:.2f} h"),
        ("of it outside of runs", share_text(_overhead(lab))),
    ]
    return table(("what", "figure"), rows)


def targets_table(lab: Lab, found: Compared) -> str:
    """The targets of the task, and whether they were met."""
    whole = found.gain(BOT, BASELINE)
    audited, stood = len(lab.audited), sum(row.entry.replicated for row in lab.audited)
    share = stood / audited if audited else None
    ours, theirs = found.gain(BOT, RELAXED), found.gain(WINNERS["tpe"], RELAXED)
    rows = [
        ("sealed mean rank lower by 75 % or more", _gain_text(whole),
         _met(None if whole is None else whole.mean >= LOWER_BY)),
        ("95 % or more of the audited gains confirmed",
         f"{stood} of {audited} audited, {lab.kept} kept" if audited else NOT_MEASURED,
         _met(None if share is None else share >= CONFIRMED)),
        ("beyond the clamp fix, as much as Optuna's TPE or more",
         f"{_gain_text(ours)}; TPE {_gain_text(theirs)}",
         _met(None if ours is None or theirs is None else ours.mean >= theirs.mean)),
    ]  # fmt: skip
    return table(("target", "measured", "met"), rows)


def audits_table(audited: Sequence[Row]) -> str:
    """Every audited winner, gains in the metric's units; positive is better."""
    rows = []
    for row in audited:
        entry = row.entry
        gains = (entry.claimed, entry.confirmed, row.sealed)
        cells = ["none" if gain is None else rounded(gain.value, 3, sign=True) for gain in gains]
        rows.append((f"#{entry.number} {inert_cell(entry.title, 90)}", *cells,
                     "yes" if entry.replicated else "no"))  # fmt: skip
    if rows:
        sums = [
            math.fsum(gain.value for gain in gains if gain)
            for gains in zip(
                *((r.entry.claimed, r.entry.confirmed, r.sealed) for r in audited), strict=True
            )
        ]
        rows.append(("in total", *(rounded(value, 3, sign=True) for value in sums), ""))
    headers = ("winner", "claimed", "confirmed", "on the sealed split", "replicated")
    return table(headers, rows or [(NOT_MEASURED, "", "", "", "")])


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


def _overhead(lab: Lab) -> float | None:
    return 1 - lab.measuring_s / lab.wall_s if lab.wall_s > 0 else None


def _met(answer: bool | None) -> str:
    return NOT_MEASURED if answer is None else "yes" if answer else "no"


def _gain_text(gain: Sample | None, is_base: bool = False) -> str:
    if is_base:
        return ""
    if gain is None:
        return NOT_MEASURED
    told = share_text(gain.mean, sign=True)
    if gain.interval is None:
        return told
    low, high = (share_text(end, sign=True) for end in gain.interval)
    return f"{told} ({low} to {high})"


def _sealed(line: Line) -> float | None:
    return line.measurement.sealed.metric if line.measurement.sealed else None


def _sample(values: Sequence[float | None]) -> Sample | None:
    known = tuple(value for value in values if value is not None)
    return Sample(known) if known else None
