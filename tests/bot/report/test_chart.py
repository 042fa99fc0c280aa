from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from bot.model import Direction
from bot.report import chart, image
from bot.report.chart import config, gains_chart, main_chart, palette, work_chart
from bot.report.data import History, Kind, history


@pytest.fixture(scope="module")
def spec(found: History) -> dict[str, Any]:
    return main_chart(found)


def test_what_became_of_an_experiment_is_not_told_by_colour_alone() -> None:
    looks = {kind: (look[0], kind in chart._FULL) for kind, look in chart._LOOKS.items()}
    assert set(looks) == set(Kind)
    assert len(set(looks.values())) == len(Kind)


def luminance(color: str) -> float:
    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_every_colour_stands_out_on_its_background() -> None:
    for light, other in palette().items():
        assert contrast(light, "#ffffff") >= 3
        assert contrast(other, "#161616") >= 3
    for dark, ground in ((False, "#ffffff"), (True, "#161616")):
        assert contrast(config(dark=dark)["axis"]["labelColor"], ground) >= 4.5


def test_every_experiment_is_in_the_chart_once(found: History, spec: dict[str, Any]) -> None:
    rows = [*spec["datasets"]["experiments"], *spec["datasets"]["others"]]
    numbers = [row["number"] for row in rows if not row["kind"].startswith("audit")]
    assert sorted(numbers) == [row["number"] for row in found.experiments]
    assert sum(row["kind"].startswith("audit") for row in rows) == len(found.audits)


def test_hovering_tells_the_hypothesis_and_the_numbers(spec: dict[str, Any]) -> None:
    tooltips = [
        {one["field"] for one in layer["encoding"]["tooltip"]}
        for layer in spec["layer"]
        if "tooltip" in layer["encoding"]
    ]
    assert len(tooltips) == 2
    for fields in tooltips:
        assert {"number", "title", "kind", "reason", "value", "difference", "low"} <= fields


def test_a_single_phase_is_no_band(found: History, spec: dict[str, Any]) -> None:
    def marks(one: dict[str, Any]) -> list[str]:
        return [layer["mark"]["type"] for layer in one["layer"]]

    assert marks(spec)[:2] == ["rect", "text"]
    alone = [row | {"phase": "explore"} for row in found.phases[:1]]
    single = main_chart(History(**{**vars(found), "phases": alone}))
    assert "rect" not in marks(single)


def test_there_is_no_chart_of_gains_before_an_audit() -> None:
    nothing = history([], [], "mean_rank", Direction.LOWER)
    assert gains_chart(nothing) is None


def test_the_charts_are_drawn_as_images_that_load_nothing(found: History) -> None:
    gains = gains_chart(found)
    assert gains is not None
    for one in (main_chart(found), gains, work_chart(found, "hours", "hours of runs")):
        text = image.svg(one)
        assert text.startswith("<svg")
        assert re.findall(r'(?:href|src)="(?!#)', text) == []
        assert "<script" not in text
    assert image.svg(main_chart(found)).count('aria-roledescription="point"') > 100


def test_words_of_strangers_are_only_words_in_an_image(found: History) -> None:
    payload = "\"><script>alert(1)</script><image href='http://e'/>&lt;"
    rows = [row | {"title": payload, "phase": payload} for row in found.experiments]
    phases = [row | {"phase": payload} for row in found.phases]
    hostile = History(**{**vars(found), "experiments": rows, "phases": phases})
    text = image.svg(main_chart(hostile))
    names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert names <= {"svg", "g", "path", "text", "line", "rect", "defs", "clipPath", "style"}


def test_an_empty_programme_is_drawn_as_well() -> None:
    nothing = history([], [], "mean_rank", Direction.LOWER)
    assert "No experiment is finished yet." in image.svg(main_chart(nothing))


def test_nothing_but_failures_is_drawn_as_well(found: History) -> None:
    failed = [row for row in found.experiments if row["kind"] == Kind.FAILED][:1]
    alone = {"experiments": failed, "best": [], "audits": [], "gains": [], "phases": []}
    spec = main_chart(History(**{**vars(found), **alone}))
    assert image.png(spec).startswith(b"\x89PNG")
    assert len(spec["layer"]) == 1


def test_the_same_history_is_the_same_image(found: History) -> None:
    assert image.svg(main_chart(found)) == image.svg(main_chart(found))
