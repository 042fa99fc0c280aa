"""`python -m runner import-odvg`: brings annotated images of one's own into the task's form."""

from __future__ import annotations

import json
from pathlib import Path

import click

IMPORT_KEYS = {
    "folder": "The folder that was made",
    "images": "How many images it holds",
    "with_regions": "How many of them have annotated regions",
    "clipped_boxes": "How many boxes reached out of their image and were clipped, null without "
    "`--clip-boxes`",
    "dropped_boxes": "How many boxes had nothing inside of their image and were dropped, null "
    "without `--clip-boxes`",
}
LEAST_PIXELS, MOST_PIXELS = 16, 1024


@click.command(
    "import-odvg",
    epilog="""\b
Examples:
  python -m runner import-odvg ukiyo-e.jsonl pictures --out ukiyo-e-96 --size 96
  python -m runner import-odvg ukiyo-e.jsonl pictures --out small --size 48 --clip-boxes
\b
A line of ANNOTATIONS is one image:
  {"filename": "a/b.jpg", "width": 640, "height": 480, "grounding": {"caption": "...",
   "regions": [{"bbox": [x1, y1, x2, y2], "phrase": "..."}]}}
\b
Exit codes: 0 done; 2 a wrong option; 3 something is wrong with the data, and nothing is written.
""",
)
@click.argument(
    "annotations",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON lines in the ODVG form.",
)
@click.argument(
    "images",
    metavar="IMAGES_DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that the file names in ANNOTATIONS count from.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder to make; one that exists is not overwritten.",
)
@click.option(
    "--size",
    "side",
    type=click.IntRange(LEAST_PIXELS, MOST_PIXELS),
    required=True,
    metavar="PIXELS",
    help="Width and height of the images, which are stretched to squares.",
)
@click.option(
    "--clip-boxes",
    is_flag=True,
    help="Clip boxes that reach out of their image, drop those with nothing inside, and tell how "
    "many; without it such a box ends the import.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_odvg(
    *, annotations: Path, images: Path, out: Path, side: int, clip_boxes: bool, as_json: bool
) -> None:
    """Make a training folder (images.npy, annotations.jsonl) of image files and ODVG lines.

    Every line must be valid and every image there and readable: none is left out or blank.
    """
    from rich.console import Console
    from rich.progress import Progress

    from runner.task.odvg_import import import_odvg as run

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading images", total=1.0)

        def show(share: float) -> None:
            progress.update(task, completed=share)

        done = run(annotations, images, out, side, show, clip_boxes=clip_boxes)
    clips = done.clips
    if as_json:
        told = {
            "folder": str(out),
            "images": done.images,
            "with_regions": done.with_regions,
            "clipped_boxes": clips.clipped if clips else None,
            "dropped_boxes": clips.dropped if clips else None,
        }
        click.echo(json.dumps(told))
    click.echo(f"{out}: images {done.images:,}, with regions {done.with_regions:,}", err=True)
    if clips:
        what = f"boxes clipped {clips.clipped:,}, dropped {clips.dropped:,}"
        if clips.where:
            what += f"; the furthest reached out by {clips.furthest:g} pixels ({clips.where})"
        click.echo(what, err=True)
