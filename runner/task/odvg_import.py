"""Real data in the form of the training folder: ODVG lines and image files become one array."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from runner.errors import DataError
from runner.task.odvg import (
    ANNOTATIONS,
    IMAGES,
    AnnotatedImage,
    Clips,
    Grounding,
    Region,
    load_image,
    read_annotations,
    write_annotations,
    write_array_header,
)
from runner.task.store import make_public


@dataclass(frozen=True)
class Imported:
    """What an import wrote."""

    images: int
    with_regions: int
    clips: Clips | None = None
    """What was clipped, if that was asked for."""


def import_odvg(
    annotations: Path,
    images: Path,
    out: Path,
    side: int,
    on_progress: Callable[[float], None] | None = None,
    *,
    clip_boxes: bool = False,
) -> Imported:
    """Write `out` with images.npy and annotations.jsonl from lines and image files.

    Each line becomes one image, in order. Images are stretched to squares, and their boxes with
    them. `out` appears when all is done, and does not if anything is wrong.

    Args:
        annotations: JSON lines as `runner.task.odvg` describes them.
        images: the folder that their file names count from.
        out: a folder that does not exist yet.
        side: width and height of the images in pixels.
        on_progress: called with the share done, 0 to 1.
        clip_boxes: clip boxes to their images, drop those with nothing inside, and count both,
            instead of refusing their lines.

    Raises:
        DataError: a line is not valid, an image is missing or unreadable, there is none at all,
            or `out` exists.
        OSError: the result cannot be written.
    """
    if out.exists() or out.is_symlink():
        raise DataError(f"{out} exists and is not overwritten: name a new folder")
    clips = Clips() if clip_boxes else None
    lines = list(read_annotations(annotations, clips))
    if not lines:
        raise DataError(f"{annotations} has no lines: give a file with one line for each image")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        with (partial / IMAGES).open("wb") as file:
            write_array_header(file, len(lines), side)
            for row, line in enumerate(lines):
                file.write(_square(load_image(images, line), side).tobytes())
                if on_progress:
                    on_progress((row + 1) / len(lines))
        write_annotations(
            partial / ANNOTATIONS, (_scaled(line, row, side) for row, line in enumerate(lines))
        )
        make_public(partial)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Imported(len(lines), sum(bool(line.grounding.regions) for line in lines), clips)


def _square(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    resized = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(resized, dtype=np.uint8)


def _scaled(line: AnnotatedImage, row: int, side: int) -> AnnotatedImage:
    across, down = side / line.width, side / line.height
    regions = []
    for region in line.grounding.regions:
        x1, y1, x2, y2 = region.bbox
        # Rounding must not carry an edge out of the image.
        box = (x1 * across, y1 * down, min(x2 * across, side), min(y2 * down, side))
        regions.append(Region(bbox=box, phrase=region.phrase))
    grounding = Grounding(caption=line.grounding.caption, regions=tuple(regions))
    return AnnotatedImage(filename=f"{IMAGES}#{row}", width=side, height=side, grounding=grounding)
