"""The picture of how the bot's own work grows with the history, from the figures of `scale`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair

Costs = Mapping[str, Mapping[str, float]]  # by the number of experiments: `cpu_s`, `mb`

TARGET_S, TARGET_MB = 1.0, 200.0
# Told apart by the colour-blind too.
_COLORS = ("#00694d", "#005a9c", "#b34700", "#8a2b6b", "#5c5c5c")
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
_WIDTH, _HEIGHT = 380, 300


def chart(figures: Mapping[str, Costs], growth: Mapping[str, float]) -> dict[str, Any]:
    """Processor time and memory against the number of experiments, as Vega-Lite.

    `growth` says how many times as much processor time the largest size takes as the one before.
    """
    import altair as alt

    sizes = sorted({int(size) for costs in figures.values() for size in costs})
    labels = {name: name + _grown(growth.get(name), sizes) for name in figures}
    rows = [
        {"what": labels[name], "experiments": int(size), "cpu_s": cost["cpu_s"], "mb": cost["mb"]}
        for name, costs in figures.items()
        for size, cost in costs.items()
    ]
    names = list(labels.values())
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=0)
    looks = {
        "color": alt.Color("what:N", scale=alt.Scale(domain=names, range=_COLORS), legend=legend),
        "shape": alt.Shape("what:N", scale=alt.Scale(domain=names, range=_SHAPES), legend=legend),
    }
    panels = (
        _panel(alt, ("cpu_s", "processor time in seconds", TARGET_S), sizes, looks),
        _panel(alt, ("mb", "memory in MB", TARGET_MB), sizes, looks),
    )
    both = alt.hconcat(*panels, data=alt.InlineData(values=rows), background="white")
    spec: dict[str, Any] = both.to_dict()
    return spec


def _grown(times: float | None, sizes: Sequence[int]) -> str:
    if times is None:
        return ""
    return f": {times:g} times the time at {sizes[-1]:,} that it takes at {sizes[-2]:,}"


def _panel(
    alt: Any, shown: tuple[str, str, float], sizes: Sequence[int], looks: Mapping[str, Any]
) -> altair.LayerChart:
    """One figure (field, title, target) against the size; the target is a broken line."""
    field, title, target = shown
    x = alt.X(
        "experiments:Q",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(values=list(sizes), format=",", grid=False),
        title="experiments in the history",
    )
    y = alt.Y(f"{field}:Q", scale=alt.Scale(zero=True), title=title)
    line = alt.Chart().mark_line().encode(x=x, y=y, color=looks["color"])
    points = alt.Chart().mark_point(filled=True, size=60).encode(x=x, y=y, **looks)
    limit = alt.Chart(alt.InlineData(values=[{field: target}]))
    rule = limit.mark_rule(strokeDash=[6, 4], color="#6b6b6b").encode(y=y)
    layers: altair.LayerChart = alt.layer(line, points, rule, width=_WIDTH, height=_HEIGHT)
    return layers
