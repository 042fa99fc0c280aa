"""Figures for documents: means with intervals, tables in Markdown, and where they are put."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.text.figures import rounded
from bot.verdict.student import t_quantile
from runner.errors import RequestError

NOT_MEASURED = "not measured"
LEVEL = 0.95


@dataclass(frozen=True)
class Sample:
    """Repeated runs of the same code: at least one."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the runs."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of a single run; None of one run."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the mean, by Student's t, at 95 %; None of one run."""
        if self.deviation is None:
            return None
        count = len(self.values)
        half = t_quantile((1 + LEVEL) / 2, count - 1) * self.deviation / math.sqrt(count)
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class Crossed:
    """A difference in a table: a row for each search, a column for each seed, at least one."""

    rows: tuple[tuple[float, ...], ...]

    @property
    def mean(self) -> float:
        """Of all."""
        return statistics.fmean(value for row in self.rows for value in row)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the mean, at 95 %; None of one seed.

        With several searches it counts how much they differ as well as how much seeds do
        (Satterthwaite's degrees of freedom), with one it tells of the seeds alone.
        """
        columns = Sample(tuple(map(statistics.fmean, zip(*self.rows, strict=True))))
        searches = Sample(tuple(map(statistics.fmean, self.rows)))
        if columns.deviation is None or len(self.rows) == 1:
            return columns.interval
        parts = [(one.deviation or 0.0) ** 2 / len(one.values) for one in (columns, searches)]
        variance = math.fsum(parts)
        if variance == 0:
            return self.mean, self.mean
        counts = (len(columns.values), len(searches.values))
        df = variance**2 / sum(p**2 / (n - 1) for p, n in zip(parts, counts, strict=True))
        half = t_quantile((1 + LEVEL) / 2, df) * math.sqrt(variance)
        return self.mean - half, self.mean + half


def mean_text(sample: Sample | None) -> str:
    """Mean and interval as a cell."""
    if sample is None:
        return NOT_MEASURED
    middle = rounded(sample.mean, 4)
    if sample.interval is None:
        return f"{middle} (one run)"
    low, high = (rounded(end, 4) for end in sample.interval)
    return f"{middle} ({low} to {high})"


def number_text(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """A number as a cell."""
    return NOT_MEASURED if value is None else rounded(value, digits, sign=sign)


def share_text(value: float | None, *, sign: bool = False) -> str:
    """A share as a cell, in per cent."""
    return NOT_MEASURED if value is None else f"{100 * value:{'+' if sign else ''}.1f} %"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: the first column of words, the others of numbers."""
    marks = ["---", *(["---:"] * (len(headers) - 1))]
    lines = [headers, marks, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_between(path: Path, name: str, text: str) -> None:
    """Put `text` between the marker lines of `name` in a document, in place of what is there.

    Raises RequestError: without the markers, nothing is written.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    try:
        document = path.read_text(encoding="utf-8")
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise RequestError(f"{path}: has no lines `{begin}` and `{end}`; add them and repeat.")
        path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{path}: cannot be written ({error.strerror}).") from None
