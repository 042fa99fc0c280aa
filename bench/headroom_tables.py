"""The tables of `bench headroom`, from the lines of its journals. Pure."""

from __future__ import annotations

import math
import random
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.figures import NOT_MEASURED, Sample, mean_text, number_text, share_text, table
from bench.headroom_arms import BASELINE, CLAMP_RELAXED, EXPERTS_OFF, EXPERTS_ON, FOUND, IDEAS
from bench.headroom_oracle import RECOGNISED, Step
from bench.journal import Line
from runner.result import RunnerClass

ARMS, SAME_SEED, RANKING = "arms", "same-seed", "ideas"
_FEWEST_IDEAS = 3  # for a correlation of their ranks
_RESAMPLED = 1_000  # times, for the interval of that correlation
_ROWS = (BASELINE, CLAMP_RELAXED, f"{CLAMP_RELAXED}, {EXPERTS_OFF}", *FOUND)
_CPU, _LONGER, _GPU = ("small", 30.0, "cpu"), ("small", 60.0, "cpu"), ("full", 300.0, "gpu")
_WANTED = {_CPU: "small, 30 s", _LONGER: "small, 60 s", _GPU: "full, 300 s on a GPU"}
"""Size, budget and profile of the places asked for: called not measured until they are."""


@dataclass(frozen=True)
class Place:
    """The lines that may be compared with each other: of one runner class and harness."""

    facts: RunnerClass
    lines: tuple[Line, ...]

    @property
    def kind(self) -> tuple[str, float, str]:
        """Size of the data, budget and profile."""
        size = self.facts.data.split("-")[2] if self.facts.data.count("-") > 1 else self.facts.data
        return size, self.facts.budget_s, self.facts.profile

    @property
    def name(self) -> str:
        """Size of the data, budget and device."""
        size, budget_s, _ = self.kind
        return f"{size}, {budget_s:g} s, {self.facts.device}"

    def arms(self, study: str) -> list[str]:
        """The names of the codes of a study, in the order of their first runs."""
        return list(dict.fromkeys(line.arm for line in self.lines if line.study == study))

    def by_seed(self, study: str, arm: str) -> dict[tuple[int, int], float]:
        """The metric of the latest version of a code, by seed and repetition."""
        own = [line for line in self.lines if (line.study, line.arm) == (study, arm)]
        latest = own[-1].measurement.digests.candidate if own else ""
        return {
            (line.measurement.seed, line.number): line.measurement.metric
            for line in own
            if line.measurement.metric is not None and line.measurement.digests.candidate == latest
        }

    def sample(self, study: str, arm: str) -> Sample | None:
        """The finished runs of a code; None without any."""
        values = tuple(self.by_seed(study, arm).values())
        return Sample(values) if values else None

    def difference(self, study: str, arm: str, base: str) -> Sample | None:
        """Run by run on shared seeds, `arm` less `base`; None without any."""
        one, other = self.by_seed(study, arm), self.by_seed(study, base)
        values = tuple(one[seed] - other[seed] for seed in sorted(one.keys() & other.keys()))
        return Sample(values) if values else None


def places(lines: Sequence[Line]) -> list[Place]:
    """In the order of their first lines."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.place, []).append(line)
    return [Place(group[0].measurement.runner_class, tuple(group)) for group in found.values()]


def arms_table(place: Place) -> str:
    """Every configuration with its mean rank and the spread of its runs."""
    names = [*_ROWS, *(name for name in place.arms(ARMS) if name not in _ROWS)]
    rows = []
    for name in names:
        found, again = place.sample(ARMS, name), place.sample(SAME_SEED, name)
        rows.append((
            name,
            str(len(found.values)) if found else "0",
            mean_text(found),
            number_text(found.deviation if found else None),
            number_text(again.deviation if again else None),
        ))  # fmt: skip
    headers = ("configuration", "runs", "mean rank (95 % interval)")
    return table((*headers, "spread between seeds", "spread of one seed"), rows)


def experts_table(place: Place) -> str:
    """The expert branch against the same without it, seed by seed."""
    rows = []
    for base in (CLAMP_RELAXED, *FOUND):
        found = None
        for other, sign in ((EXPERTS_OFF, -1.0), (EXPERTS_ON, 1.0)):
            told = place.difference(ARMS, f"{base}, {other}", base)
            if told:
                found = Sample(tuple(sign * value for value in told.values))
        rows.append((base, str(len(found.values)) if found else "0", mean_text(found)))
    return table(
        ("configuration", "pairs", "experts on less off, in mean rank (95 % interval)"), rows
    )


def effects(place: Place) -> dict[str, Sample]:
    """By idea, its mean rank less the relaxed clamp's, run by run on shared seeds.

    As a share of the relaxed clamp's mean; negative is better.
    """
    return {
        name: Sample(tuple(change.values())) for name, change in _changes(place).items() if change
    }


def _changes(place: Place) -> dict[str, dict[tuple[int, int], float]]:
    """The same by seed and repetition."""
    base = place.by_seed(RANKING, CLAMP_RELAXED)
    if not base:
        return {}
    mean = statistics.fmean(base.values())
    found = {}
    for name in IDEAS:
        own = place.by_seed(RANKING, name)
        found[name] = {run: (own[run] - base[run]) / mean for run in sorted(own.keys() & base)}
    return found


def ideas_table(found: Sequence[Place]) -> str:
    """Every idea's effect in every place."""
    columns = [(place.name, effects(place)) for place in found if effects(place)]
    columns += [(_WANTED[kind], {}) for kind in _missing(found)]
    rows = [(name, *(_effect_text(told.get(name)) for _, told in columns)) for name in IDEAS]
    return table(("idea", *(where for where, _ in columns)), rows)


def _missing(found: Sequence[Place]) -> list[tuple[str, float, str]]:
    """The places asked for in which no idea was measured."""
    measured = {place.kind for place in found if effects(place)}
    return [kind for kind in _WANTED if kind not in measured]


def _effect_text(effect: Sample | None) -> str:
    if effect is None:
        return NOT_MEASURED
    told = share_text(effect.mean, sign=True)
    if effect.interval is None:
        return f"{told} (one run)"
    low, high = (share_text(end, sign=True) for end in effect.interval)
    return f"{told} ({low} to {high})"


@dataclass(frozen=True)
class Agreement:
    """How alike two places rank the ideas that both have measured; `rho` is Spearman's."""

    one: str
    other: str
    ideas: int
    rho: float
    rho_interval: tuple[float, float] | None
    """95 % of what resampling the seeds of either place gives; None of one seed."""
    alike: tuple[str, ...]
    """Better in both places or worse in both: both intervals exclude no effect."""
    disagree: tuple[str, ...]
    """Better in one place and worse in the other: likewise."""


def agreements(found: Sequence[Place]) -> list[Agreement]:
    """Of every two places with three or more ideas in common."""
    told = []
    for one, other in combinations(found, 2):
        left, right = effects(one), effects(other)
        common = [name for name in IDEAS if name in left and name in right]
        if len(common) < _FEWEST_IDEAS:
            continue
        rho = _spearman([left[n].mean for n in common], [right[n].mean for n in common])
        signs = {name: _sign(left[name]) * _sign(right[name]) for name in common}
        told.append(
            Agreement(
                one.name, other.name, len(common), rho, _rho_interval(one, other, common),
                alike=tuple(name for name, sign in signs.items() if sign > 0),
                disagree=tuple(name for name, sign in signs.items() if sign < 0),
            )
        )  # fmt: skip
    return told


def _sign(effect: Sample) -> int:
    """1 or -1 where the interval says so, else 0."""
    low, high = effect.interval or (-math.inf, math.inf)
    return (low > 0) - (high < 0)


def _spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Correlation of the ranks (Spearman 1904); not a number where one side has no order."""
    try:
        return statistics.correlation(_ranks(one), _ranks(other))
    except statistics.StatisticsError:
        return math.nan


def _ranks(values: Sequence[float]) -> list[float]:
    """Twice the mean of the places that equal values share."""
    order = sorted(values)
    return [bisect_left(order, value) + bisect_right(order, value) for value in values]


def _rho_interval(one: Place, other: Place, common: Sequence[str]) -> tuple[float, float] | None:
    """Draws seeds anew, all ideas on the same ones as they were measured."""
    dice = random.Random(0)
    tables = []
    for place in (one, other):
        changes = _changes(place)
        runs = sorted(set.intersection(*(set(changes[name]) for name in common)))
        if len(runs) < 2:
            return None
        tables.append((changes, runs))
    found = []
    for _ in range(_RESAMPLED):
        means = []
        for changes, runs in tables:
            drawn = dice.choices(runs, k=len(runs))
            means.append([statistics.fmean(changes[n][run] for run in drawn) for n in common])
        if all(len(set(each)) > 1 for each in means):  # else there is no correlation
            found.append(_spearman(*means))
    if not found:
        return None
    low, *_, high = statistics.quantiles(found, n=40, method="inclusive")
    return low, high


def _rho_text(each: Agreement) -> str:
    if each.rho_interval is None:
        return f"{number_text(each.rho, 2)} (one run)"
    low, high = (number_text(end, 2) for end in each.rho_interval)
    return f"{number_text(each.rho, 2)} ({low} to {high})"


def agreement_table(found: Sequence[Place]) -> str:
    """The same for people."""
    rows = [
        (
            f"{each.one}; {each.other}",
            str(each.ideas),
            _rho_text(each),
            ", ".join(each.alike) or "none",
            ", ".join(each.disagree) or "none",
        )
        for each in agreements(found)
    ]
    missing = _missing(found)
    for one, other in ((_CPU, _LONGER), (_LONGER, _GPU)):
        if one in missing or other in missing:
            both = f"{_WANTED[one]}; {_WANTED[other]}"
            rows.append((both, NOT_MEASURED, NOT_MEASURED, NOT_MEASURED, NOT_MEASURED))
    headers = ("places", "ideas", "rank correlation", "better in both or worse in both")
    return table((*headers, "better in one, worse in the other"), rows)


def oracle_table(steps: Sequence[Step]) -> str:
    """Mean rank by knowledge and by the share of facts that are recognised."""
    headers = ["the oracle knows", *(f"{share:.0%} recognised" for share in RECOGNISED)]
    rows = [
        (", ".join(step.knows), *(number_text(step.mean_rank[s], 4) for s in RECOGNISED))
        for step in steps
    ] or [("everything", *[NOT_MEASURED] * len(RECOGNISED))]
    return table(headers, rows)


@dataclass(frozen=True)
class Bound:
    """What the oracle reaches on the validation split of one size of the data."""

    size: str
    version: str
    steps: tuple[Step, ...]


def document(lines: Sequence[Line], bounds: Sequence[Bound]) -> str:
    """All tables, with a heading for each."""
    found = places(lines)
    parts = []
    for bound in bounds:
        parts.append(f"### What can be reached: validation split of `{bound.size}` "
                     f"({bound.version})")  # fmt: skip
        parts.append(oracle_table(bound.steps))
    measured = [place for place in found if place.arms(ARMS) or place.arms(SAME_SEED)]
    for place in measured:
        parts += [f"### Configurations: {place.name}", arms_table(place)]
        parts += [f"Expert branch on and off at equal time ({place.name}):", experts_table(place)]
    for kind in (_CPU, _GPU):
        if kind not in {place.kind for place in measured}:
            parts += [f"### Configurations: {_WANTED[kind]}", "Not measured."]
    parts += ["### Do ideas rank alike elsewhere?", ideas_table(found), agreement_table(found)]
    return "\n\n".join(parts)
