"""`python -m bot report`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.errors import BotError
from bot.views.output import json_option, print_json, say

if TYPE_CHECKING:
    from bot.proposing.place import Place

JSON_KEYS = {
    "html": "the page that was written, null if none was",
    "svg": "the image that was written, null if none was",
    "png": "the same as PNG",
    "markdown": "the summary as Markdown with --markdown, else null",
    "experiments": "how many finished experiments there are",
}
_DEFAULT = Path("report.html")


@click.command(
    epilog="""\b
Examples:
  python -m bot report                           write report.html: one file, works offline
  python -m bot report --output night.html --svg chart.svg --png chart.png
  python -m bot report --markdown                a summary for GitHub, on standard output
  python -m bot report --watch                   serve it on this machine, kept fresh

The page also shows what audits saw on the sealed split, which no proposer may be told: do not
commit it to the base branch. The images and the Markdown come from the ledger alone.
"""
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page to write.  [default: report.html, or none with --svg, --png or --markdown]",
)
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="The chart as SVG.")
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="The chart as PNG.")
@click.option("--markdown", is_flag=True, help="Print a summary as Markdown.")
@click.option("--watch", is_flag=True, help="Serve the page on this machine until Ctrl-C.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Where --watch serves it; 0 takes a free one.",
)
@json_option
def command(
    *,
    output: Path | None,
    svg: Path | None,
    png: Path | None,
    markdown: bool,
    watch: bool,
    port: int,
    as_json: bool,
) -> None:
    """Show all experiments as a page with charts and a table, or as an image."""
    from bot.app import open_place

    if watch and (output or svg or png or markdown or as_json):
        raise click.UsageError("--watch only serves the page; leave the other options out")
    if watch:
        from bot.report.lookout import MANNERS
        from bot.report.serve import serve

        serve(open_place(manners=MANNERS), port, partial(click.echo, err=True))
        return
    place = open_place()
    if output is None and not (svg or png or markdown):
        output = _DEFAULT
    summary, count = _make(place, output, svg, png, markdown)
    if as_json:
        files = {"html": output, "svg": svg, "png": png}
        told = {name: None if path is None else str(path) for name, path in files.items()}
        print_json({**told, "markdown": summary, "experiments": count})
        return
    if summary is not None:
        say(summary)
    for path in filter(None, (output, svg, png)):
        click.echo(f"Wrote {path} ({count} experiment{'s' * (count != 1)}).", err=True)


def _make(
    place: Place, output: Path | None, svg: Path | None, png: Path | None, markdown: bool
) -> tuple[str | None, int]:
    from bot.report import build, chart, image

    found = build.history_of(place)
    if output is not None:
        from bot.report.page import render

        _write(output, render(build.content_of(place)).encode())
    if svg or png:
        spec = chart.main_chart(found)
        if svg:
            _write(svg, image.svg(spec).encode())
        if png:
            _write(png, image.png(spec))
    summary = None
    if markdown:
        from bot.report.markdown import summary_of

        summary = summary_of(place, found)
    return summary, len(found.experiments)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise BotError(
            f"{path}: cannot be written ({error.strerror}). Name another file."
        ) from None
