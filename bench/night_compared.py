"""What the runs of `bench night` say, from the lines of its journals. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import Crossed, Sample
from bench.journal import Line
from bench.searching import SAMPLERS, best

FINAL = "final"
BASELINE, RELAXED, BOT = "first baseline", "clamp relaxed", "the bot's last baseline"
NAMES: Mapping[str, str] = {"tpe": "TPE", "random": "random search"}


def study(sampler: str, search: int) -> str:
    """What the lines of a search are kept under; searches count from 1, which is also the seed."""
    return sampler if search == 1 else f"{sampler} {search}"


def winner(sampler: str, search: int) -> str:
    """The name of what a search found, among the final runs."""
    return f"best of {NAMES[sampler]}" + ("" if search == 1 else f", search {search}")


def trials(lines: Sequence[Line], name: str, runs: int, place: str) -> list[Line]:
    """The first so many trials of a study in one runner class, the latest of each number."""
    own = [line for line in lines if line.study == name and line.place == place]
    latest = {line.number: line for line in own}
    return [latest[number] for number in range(runs) if number in latest]


@dataclass(frozen=True)
class Compared:
    """The journal of one runner class: `arms` are the final runs of each code, on shared seeds.

    `searches` are, by sampler and number of the search, its trials: so many as the lab took runs,
    or fewer so far. The first search of each sampler is always there.
    """

    runs: int
    lower: bool
    searches: Mapping[str, Mapping[int, Sequence[Line]]]
    arms: Mapping[str, Sequence[Line]]

    @property
    def rows(self) -> tuple[str, ...]:
        """The names of all codes of the final runs, measured or not."""
        found = [winner(name, each) for name in SAMPLERS for each in self.searches[name]]
        return (BASELINE, RELAXED, BOT, *found)

    def complete(self, sampler: str) -> bool:
        """Whether every search of a sampler that was begun has as many runs as the lab."""
        begun = [found for found in self.searches[sampler].values() if found]
        return bool(begun) and all(len(found) == self.runs for found in begun)

    def validation(self, arm: str) -> Sample | None:
        """The metric of the final runs of a code."""
        return _sample([line.measurement.metric for line in self.arms.get(arm, ())])

    def sealed(self, arm: str) -> Sample | None:
        """The same on the sealed split, of the same trainings."""
        values = self._sealed(arm).values()
        return _sample(list(values))

    def gain(self, arm: str, base: str) -> Sample | None:
        """Seed by seed on the sealed split, the gain over `base` as a share of its mean.

        Positive is better.
        """
        return _sample(list(self._better(arm, base, base).values()))

    def search_gain(self, sampler: str, base: str) -> Crossed | None:
        """The same of what the searches of a sampler found, averaged over the searches."""
        found = [self._better(winner(sampler, n), base, base) for n in self.searches[sampler]]
        return _crossed(found)

    def lead(self, sampler: str, base: str) -> Crossed | None:
        """By how much the bot's gain over `base` is larger than that of the searches."""
        found = [self._better(BOT, winner(sampler, n), base) for n in self.searches[sampler]]
        return _crossed(found)

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data; what was not measured is null or missing."""
        return {
            "runs": self.runs,
            "searches": {
                name: [
                    {
                        "search": number,
                        "runs": len(found),
                        "best": chosen.measurement.metric if chosen else None,
                        "values": dict(chosen.values) if chosen else None,
                    }
                    for number, found in searches.items()
                    for chosen in [best(found, lower=self.lower)]
                ]
                for name, searches in self.searches.items()
            },
            "final": {
                arm: {
                    "validation": list(validation.values) if validation else [],
                    "sealed": list(sealed.values) if sealed else [],
                }
                for arm in self.rows
                for validation, sealed in [(self.validation(arm), self.sealed(arm))]
            },
            "lead": {
                name: None if lead is None else {"mean": lead.mean, "interval": lead.interval}
                for name in SAMPLERS
                for lead in [self.lead(name, RELAXED)]
            },
        }

    def _sealed(self, arm: str) -> dict[int, float]:
        """By seed."""
        return {
            line.measurement.seed: line.measurement.sealed.metric
            for line in self.arms.get(arm, ())
            if line.measurement.sealed and line.measurement.sealed.metric is not None
        }

    def _better(self, arm: str, other: str, unit: str) -> dict[int, float]:
        """By seed, how much better `arm` is than `other`, as a share of the mean of `unit`."""
        level, sign = self.sealed(unit), -1 if self.lower else 1
        if level is None:
            return {}
        one, two = self._sealed(arm), self._sealed(other)
        common = sorted(one.keys() & two.keys())
        return {seed: sign * (one[seed] - two[seed]) / level.mean for seed in common}


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
    here = {line.study for line in lines if line.place == place}
    searches: dict[str, dict[int, list[Line]]] = {
        name: {
            number: trials(lines, study(name, number), runs, place)
            for number in sorted({1, *_numbers(name, here)})
        }
        for name in SAMPLERS
    }
    return Compared(runs, lower, searches, arms)


def _numbers(sampler: str, studies: set[str]) -> list[int]:
    found = (re.fullmatch(rf"{sampler} ([0-9]+)", name) for name in studies)
    return [int(match[1]) for match in found if match]


def _sample(values: Sequence[float | None]) -> Sample | None:
    known = tuple(value for value in values if value is not None)
    return Sample(known) if known else None


def _crossed(found: Sequence[Mapping[int, float]]) -> Crossed | None:
    """Of the searches that have final runs, on the seeds that all of them share."""
    known = [each for each in found if each]
    common = sorted(set.intersection(*(set(each) for each in known))) if known else []
    if not common:
        return None
    return Crossed(tuple(tuple(each[seed] for seed in common) for each in known))
