"""The charts, as Vega-Lite: one specification serves the page, the SVG and the PNG.

Rows come as named data sets, so that the page can filter them, and the library checks nothing
but the few lines that are the chart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.model import Direction
from bot.report.data import History, Kind

if TYPE_CHECKING:
    import altair

Spec = dict[str, Any]

VEGA_LITE = "6.4"
"""The version of Vega-Lite that specifications are written for and drawn with."""
_HEIGHT, _WIDTH = 380, 900
_MANY = 1_000  # experiments, above which points are small
_MOST_GAINS = 40

# Shape, and a colour for light and one for dark: of Okabe and Ito, at three to one or better.
_LOOKS: dict[Kind, tuple[str, str, str]] = {
    Kind.IMPROVED: ("circle", "#00694d", "#2fd0a0"),
    Kind.SIMPLER: ("diamond", "#005a9c", "#6cbcf5"),
    Kind.BY_HAND: ("square", "#7a4d00", "#f0c060"),
    Kind.REVERTED: ("triangle-left", "#8a2b6b", "#f09ad0"),
    Kind.CLOSED: ("circle", "#6b6b6b", "#9a9a9a"),
    Kind.FAILED: ("M-0.7,-0.7L0.7,0.7M0.7,-0.7L-0.7,0.7", "#b34700", "#ff9452"),
    Kind.NOT_RUN: ("stroke", "#6b6b6b", "#9a9a9a"),
    Kind.CONFIRMED: ("triangle-up", "#00694d", "#2fd0a0"),
    Kind.REFUTED: ("triangle-down", "#b00020", "#ff8a8a"),
}
_FULL = {Kind.IMPROVED, Kind.SIMPLER, Kind.BY_HAND, Kind.REVERTED, Kind.REFUTED}


def main_chart(found: History, *, width: int | str = _WIDTH) -> Spec:
    """Every experiment over time with its interval, the running best, phases and audits."""
    import altair as alt

    if not found.experiments:
        return _nothing(alt, width)
    judged = [row for row in (*found.experiments, *found.audits) if row["value"] is not None]
    others = [row for row in found.experiments if row["value"] is None]
    present = {row["kind"] for row in (*judged, *others)} or {Kind.IMPROVED}
    kinds = [kind for kind in Kind if kind in present]
    scale = alt.Scale(domain=list(found.domain or (0, 1)), nice=False, clamp=True)
    better = "lower" if found.direction is Direction.LOWER else "higher"
    y = alt.Y("value:Q", scale=scale, title=f"{found.metric} ({better} is better)")
    x = _time(alt)
    colors = [_LOOKS[kind][1] for kind in kinds]
    inner = [_LOOKS[kind][1] if kind in _FULL else "transparent" for kind in kinds]
    shapes = [_LOOKS[kind][0] for kind in kinds]
    legend = alt.Legend(title=None)
    looks = {
        "stroke": alt.Stroke("kind:N", scale=alt.Scale(domain=kinds, range=colors), legend=legend),
        "fill": alt.Fill("kind:N", scale=alt.Scale(domain=kinds, range=inner), legend=legend),
        "shape": alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=shapes), legend=legend),
    }
    size = 70 if len(found.experiments) <= _MANY else 30
    points = alt.Chart(alt.NamedData("experiments"))
    bare = alt.Chart(alt.NamedData("others"))
    # A layer without rows makes Vega complain of an infinite extent.
    layers = _bands(alt, found)
    if judged:
        interval = points.mark_rule(strokeWidth=1, strokeOpacity=0.55, tooltip=False)
        low = alt.Y("low:Q", scale=scale)
        layers.append(interval.encode(x=x, y=low, y2="high:Q", stroke=looks["stroke"]))
    if found.best:
        line = alt.Chart(alt.NamedData("best")).mark_line(
            interpolate="step-after", strokeWidth=2, tooltip=False
        )
        layers.append(line.encode(x=x, y=y))
    for rows, source, height in ((judged, points, y), (others, bare, alt.value(_HEIGHT - 8))):
        if rows:
            mark = source.mark_point(size=size, strokeWidth=1.7, opacity=1, cursor="pointer")
            layers.append(mark.encode(x=x, y=height, tooltip=_tooltip(alt, found), **looks))
    chart = alt.layer(*layers).properties(width=width, height=_HEIGHT)
    data = {"experiments": judged, "others": others, "best": found.best, "phases": found.phases}
    return _spec(chart, data, f"{found.metric} of every experiment over time")


def gains_chart(found: History, *, width: int | str = _WIDTH) -> Spec | None:
    """Claimed against confirmed gain of the latest audited winners; None before any audit."""
    import altair as alt

    rows = found.gains[-_MOST_GAINS:]
    if not rows:
        return None
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=220))
    base = alt.Chart(alt.NamedData("gains"))
    title = f"gain in {found.metric} (positive is better)"
    domain = ["claimed", "confirmed"]
    color = alt.Scale(domain=domain, range=[_LOOKS[Kind.SIMPLER][1], _LOOKS[Kind.IMPROVED][1]])
    shape = alt.Scale(domain=domain, range=["diamond", "circle"])
    tooltip = [alt.Tooltip("name:N", title="winner"), alt.Tooltip("standing:N", title="audit")]
    tooltip += [alt.Tooltip(f"{name}:Q", format=".4g") for name in (*domain, "low", "high")]
    points = (
        base.transform_fold(list(domain), as_=["what", "gain"])
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            x=alt.X("gain:Q", title=title, axis=alt.Axis(tickCount=6)),
            y=y,
            color=alt.Color("what:N", scale=color, legend=alt.Legend(title=None)),
            shape=alt.Shape("what:N", scale=shape, legend=alt.Legend(title=None)),
            tooltip=tooltip,
        )
    )
    interval = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(
        x=alt.X("low:Q", title=title), x2="high:Q", y=y, tooltip=tooltip
    )
    chart = alt.layer(interval, points).properties(width=width, height=26 * len(rows))
    return _spec(chart, {"gains": rows}, "Claimed and confirmed gain of every audited winner")


def work_chart(found: History, field: str, title: str, *, width: int | str = _WIDTH) -> Spec:
    """A running total over time: `hours` of runs, or `cost`."""
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("work"))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(x=_time(alt), y=alt.Y(f"{field}:Q", title=title))
        .properties(width=width, height=140)
    )
    return _spec(chart, {"work": found.work}, title)


def config(*, dark: bool) -> Spec:
    """What differs between light and dark: the same for every chart."""
    ink, faint, grid = ("#e6e6e6", "#8a8a8a", "#3a3a3a") if dark else ("#1a1a1a", "#767676", "#ddd")
    return {
        "background": None if dark else "white",
        "font": "system-ui, sans-serif",
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "gridColor": grid,
            "domainColor": faint,
            "tickColor": faint,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
        "legend": {
            "orient": "bottom",
            "columns": 4,
            "labelColor": ink,
            "labelFontSize": 12,
            "labelLimit": 240,
            "symbolStrokeWidth": 1.8,
        },
        "view": {"stroke": None},
        "rule": {"color": faint},
        "line": {"color": ink},
        "rect": {"color": "#ffffff" if dark else "#000000"},
        "text": {"color": ink, "fontSize": 12},
    }


def palette() -> dict[str, str]:
    """The dark colour that stands for each light one."""
    return {light: dark for _, light, dark in _LOOKS.values()}


def _nothing(alt: Any, width: int | str) -> Spec:
    chart = (
        alt.Chart(alt.NamedData("nothing"))
        .mark_text(text="No experiment is finished yet.")
        .encode(x=alt.value(100), y=alt.value(40))
        .properties(width=width, height=80)
    )
    return _spec(chart, {"nothing": [{}]}, "No experiment is finished yet")


def _time(alt: Any) -> altair.X:
    axis = alt.Axis(title=None, labelOverlap=True, tickCount=6)
    x: altair.X = alt.X("at:T", scale=alt.Scale(type="utc"), axis=axis)
    return x


def _bands(alt: Any, found: History) -> list[Any]:
    """Phases behind everything else. One phase alone is no band."""
    if len(found.phases) < 2:
        return []
    base = alt.Chart(alt.NamedData("phases"))
    x = alt.X("begin:T", scale=alt.Scale(type="utc"))
    shade = alt.condition("datum.odd == 1", alt.value(0.09), alt.value(0.03))
    band = base.mark_rect(tooltip=False).encode(x=x, x2="end:T", opacity=shade)
    label = base.mark_text(align="left", baseline="top", dx=4, limit=140, tooltip=False).encode(
        x=x, y=alt.value(4), text="phase:N"
    )
    return [band, label]


def _tooltip(alt: Any, found: History) -> list[Any]:
    return [
        alt.Tooltip("number:Q", title="experiment", format="d"),
        alt.Tooltip("title:N", title="hypothesis"),
        alt.Tooltip("kind:N", title="verdict"),
        alt.Tooltip("reason:N", title="reason"),
        alt.Tooltip("phase:N", title="phase"),
        alt.Tooltip("value:Q", title=found.metric, format=".5g"),
        alt.Tooltip("difference:Q", title="difference", format="+.4g"),
        alt.Tooltip("low:Q", title="from", format=".5g"),
        alt.Tooltip("high:Q", title="to", format=".5g"),
        alt.Tooltip(
            "at:T",
            title="ended (UTC)",
            format="%Y-%m-%d %H:%M",
            timeUnit="utcyearmonthdatehoursminutes",
        ),
    ]


def _spec(chart: Any, data: dict[str, Any], description: str) -> Spec:
    spec: Spec = chart.to_dict()
    spec["datasets"] = data
    spec["description"] = description
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["config"] = config(dark=False)
    return spec
