"""The report as Markdown: for the summary of a job on GitHub, or a comment. Ledger only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from bot.proposing.place import Place
from bot.report.build import figures
from bot.report.data import History
from bot.text.figures import number, rounded
from bot.text.plain import inert_cell
from bot.views.status import status

_LATEST = 20
_POINTS = 30  # of the small chart


def summary_of(place: Place, found: History, environment: Mapping[str, str] = os.environ) -> str:
    """Figures, a chart of the best so far, and the latest experiments."""
    now = status(place)
    parts = [f"## Experiments on {found.metric}"]
    told = [figure for figure in figures(now, found) if figure.value]
    rows = [f"| {one.name} | {inert_cell(one.value)} | {inert_cell(one.note)} |" for one in told]
    parts.append("\n".join(["| figure | value | |", "| --- | ---: | --- |", *rows]))
    picture = image_address(place, environment)
    if picture:
        parts.append(f"![All experiments over time]({picture})")
    elif len(found.best) > 2:
        parts.append(_small_chart(found))
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


def _small_chart(found: History) -> str:
    """The best so far as a Mermaid chart, which GitHub draws where no image can be had."""
    values = [row["value"] for row in found.best[:-1]][-_POINTS:]
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) or 1.0
    shown = ", ".join(f"{value:.5g}" for value in values)
    return (
        "```mermaid\nxychart-beta\n"
        f'  title "Best {found.metric} after each merge"\n'
        f'  y-axis "{found.metric}" {low - margin:.5g} --> {high + margin:.5g}\n'
        f"  line [{shown}]\n```"
    )
