"""The report as Markdown: for the summary of a job on GitHub, or a comment. Ledger only."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from urllib.parse import quote

from bot.model import Direction
from bot.proposing.place import Place
from bot.report.build import figures
from bot.report.data import History
from bot.text.figures import number, rounded
from bot.text.plain import inert_cell
from bot.views.status import status

_LATEST = 20
_BARS, _NAMED = 120, 40  # so many have room in the chart, and so many for their numbers below it
_LOOKS = (
    "%%%%{init: {'xyChart': {'width': 900, 'height': 380, 'xAxis': {'labelFontSize': 10, "
    "'showLabel': %s}}, 'themeVariables': {'xyChart': "
    "{'plotColorPalette': '#9a9a9a, #00806b'}}}}%%%%"
)
"""Grey and green, told apart on GitHub's light and dark ground and without colours."""


def summary_of(place: Place, found: History, environment: Mapping[str, str] = os.environ) -> str:
    """Figures, the chart of all experiments or the nearest to it, and the latest experiments."""
    now = status(place)
    parts = [f"## Experiments on {found.metric}"]
    told = [figure for figure in figures(now, found) if figure.value]
    rows = [f"| {one.name} | {inert_cell(one.value)} | {inert_cell(one.note)} |" for one in told]
    parts.append("\n".join(["| figure | value | |", "| --- | ---: | --- |", *rows]))
    picture = image_address(place, environment)
    if picture:
        parts.append(f"![All experiments over time]({picture})")
    elif sum(row["value"] is not None for row in found.experiments) > 1:
        parts.append(_mermaid(found))
    latest = found.experiments[-_LATEST:][::-1]
    if latest:
        lines = [
            f"| {row['number']} | {inert_cell(row['title'], 100)} | {row['verdict']} "
            f"({row['reason']}) | {'' if row['value'] is None else number(row['value'])} | "
            f"{'' if row['difference'] is None else rounded(row['difference'], 3, sign=True)} |"
            for row in latest
        ]
        head = f"| # | hypothesis | verdict | {found.metric} | difference |"
        parts.append("\n".join([head, "| ---: | --- | --- | ---: | ---: |", *lines]))
    return "\n\n".join(parts)


def image_address(place: Place, environment: Mapping[str, str]) -> str | None:
    """Where GitHub shows the committed chart; None elsewhere, and where none is committed."""
    path = place.settings.report.svg
    server = environment.get("GITHUB_SERVER_URL", "")
    name = environment.get("GITHUB_REPOSITORY", "")
    sound = re.fullmatch(r"https://[\w.-]+", server) and re.fullmatch(r"[\w.-]+/[\w.-]+", name)
    if path is None or not sound:
        return None
    return f"{server}/{name}/raw/{quote(place.settings.repository.base)}/{quote(path)}"


def _mermaid(found: History) -> str:
    """The main chart as far as Mermaid can draw it, for where no image can be had.

    GitHub shows images in a summary by their address only, and a chart that is not committed has
    none. Mermaid knows bars and lines over one axis, and no points, intervals or bands.
    """
    judged = [row for row in found.experiments if row["value"] is not None][-_BARS:]
    low, high = found.domain or (0.0, 1.0)
    values = _series(min(max(row["value"], low), high) for row in judged)
    best = _series(_best_at([row["at"] for row in judged], found))
    line = f"\n  line [{best}]" if best else ""
    about = " The line is the best so far." if best else ""
    better = "lower" if found.direction is Direction.LOWER else "higher"
    name = found.metric.replace('"', "'")
    numbers = [row["number"] for row in judged]
    names = ", ".join(f'"{number}"' for number in numbers)  # of a scale, bars would overlap
    looks = _LOOKS % str(len(judged) <= _NAMED).lower()
    return (
        f"```mermaid\n{looks}\nxychart-beta\n"
        f'  x-axis "experiments {numbers[0]} to {numbers[-1]}" [{names}]\n'
        f'  y-axis "{name} ({better} is better)" {_plain(low)} --> {_plain(high)}\n'
        f"  bar [{values}]{line}\n```\n\n"
        "Bars are experiments as they ended, cut off where one lies far outside; those without a "
        f"number are left out.{about}"
    )


def _series(values: Iterable[float]) -> str:
    return ", ".join(map(_plain, values))


def _plain(value: float) -> str:
    """Five digits and no exponent, which Mermaid would take for a fault of the whole chart."""
    return format(Decimal(f"{value:.5g}"), "f")


def _best_at(times: Sequence[float], found: History) -> list[float]:
    """The best so far when each of these experiments had ended, in milliseconds since 1970.

    Nothing while no experiment has had a baseline.
    """
    if not found.best:
        return []
    starts = [row["at"] for row in found.best]
    return [found.best[max(0, bisect_right(starts, at) - 1)]["value"] for at in times]
