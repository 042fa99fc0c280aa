"""The report as one page that needs nothing else: no server, no network, no other file.

What comes from candidates, models and people is put in as text: Jinja escapes it in markup, it
is encoded within the data block, and the scripts set it as text. The policy in the page's head
allows the two scripts that are in it, by their digests, and no connection to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from bot.report import chart
from bot.report.data import History
from bot.report.image import library

_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


@dataclass(frozen=True)
class Figure:
    """A number at the top of the page, with a word about it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A small table whose cells are text."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Content:
    """Everything in the page. `open` has number, title and note of every open experiment."""

    name: str
    about: str
    history: History
    figures: Sequence[Figure]
    open: Sequence[dict[str, Any]] = ()
    audits: Table | None = None
    proposers: Table | None = None
    diffs: dict[int, str] | None = None
    imported: Table | None = None


def render(content: Content, *, version: str = "") -> str:
    """The page. With `version` it belongs to a server, which it asks for a newer one."""
    from jinja2 import Environment
    from markupsafe import Markup

    charts = _charts(content.history)
    data = {
        "metric": content.history.metric,
        "experiments": content.history.experiments,
        "diffs": content.diffs or {},
        "audits": content.history.audits,
        "charts": {one["id"]: _lean(one["spec"]) for one in charts},
        "config": {"light": chart.config(dark=False), "dark": chart.config(dark=True)},
        "palette": chart.palette(),
        "watch": version,
    }
    scripts = {"library": library(), "script": _file("page.js")}
    template = Environment(autoescape=True).from_string(_file("page.html"))
    return template.render(
        name=content.name,
        about=content.about,
        figures=content.figures,
        open=content.open,
        audits=content.audits,
        proposers=content.proposers,
        imported=content.imported,
        charts=charts,
        policy=_policy(scripts.values(), connect=bool(version)),
        style=Markup(_file("page.css")),  # noqa: S704 (ours)
        data=Markup(_inert(data)),  # noqa: S704 (encoded by `_inert`)
        **{name: Markup(_closed(text)) for name, text in scripts.items()},  # noqa: S704 (ours)
    )


def _lean(spec: dict[str, Any]) -> dict[str, Any]:
    """A chart without the experiments, which the page has already."""
    rows = {"experiments", "others"}
    kept = {name: data for name, data in spec["datasets"].items() if name not in rows}
    return {**spec, "datasets": kept}


def _charts(found: History) -> list[dict[str, Any]]:
    better = "lower" if found.direction == "lower" else "higher"
    made: list[dict[str, Any]] = [
        {
            "id": "main",
            "title": "Experiments over time",
            "note": f"The line is the best so far; {better} is better. Bars are intervals of the "
            "difference. Points at the very edge lie outside. Marks at the bottom have no number. "
            "Point at one for its hypothesis, click it for its diff; the table below has them all.",
            "spec": chart.main_chart(found, width="container"),
        }
    ]
    gains = chart.gains_chart(found, width="container")
    if gains:
        note = "What a merge claimed, and what fresh runs of winner and parent show, with interval."
        made.append(
            {"id": "gains", "title": "Claimed and confirmed gain", "note": note, "spec": gains}
        )
    if not found.experiments:
        return made
    totals = [("hours", "Hours of runs", "Hours of all sandboxed runs together.")]
    if any(row["cost"] for row in found.work):
        totals.append(
            ("cost", "Spent on proposals", "US dollars of the proposals that came to it.")
        )
    for field, title, note in totals:
        spec = chart.work_chart(found, field, title.lower(), width="container")
        made.append({"id": field, "title": title, "note": note, "spec": spec})
    return made


def _inert(data: object) -> str:
    """JSON that cannot end its script element, nor begin another, whatever it contains."""
    return json.dumps(data, allow_nan=False).translate(_ESCAPES)


def _closed(script: str) -> str:
    if "</script" in script.lower():
        raise ValueError("a script must not contain the end of its own element")
    return script


def _policy(scripts: Any, *, connect: bool) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {allowed}",
            "style-src 'unsafe-inline'",
            "img-src data:",
            f"connect-src {chr(39) + ('self' if connect else 'none') + chr(39)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _file(name: str) -> str:
    return resources.files("bot.report").joinpath(name).read_text(encoding="utf-8")
