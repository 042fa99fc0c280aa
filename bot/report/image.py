"""The charts as images, drawn without a browser and without a network."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bot.report.chart import VEGA_LITE

_SCALE = 2  # pixels of a PNG for each unit of the chart


def svg(spec: dict[str, Any]) -> str:
    """A chart as SVG."""
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])
    return text


def png(spec: dict[str, Any]) -> bytes:
    """A chart as PNG."""
    import vl_convert

    data: bytes = vl_convert.vegalite_to_png(
        spec, vl_version=VEGA_LITE, scale=_SCALE, allowed_base_urls=[]
    )
    return data


@lru_cache(maxsize=1)
def library() -> str:
    """The JavaScript that draws charts in a page: Vega, Vega-Lite and Vega-Embed."""
    import vl_convert

    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    return text
