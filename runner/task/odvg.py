"""Region annotations on disk: JSON lines in the ODVG form of detection data sets.

One line is one image:

    {"filename": "images.npy#17", "width": 48, "height": 48,
     "grounding": {"caption": "a small dog left of a kite",
                   "regions": [{"bbox": [3, 20, 17, 33], "phrase": "small dog"}]}}

`filename` names an image file beside the annotations, or, with `#row`, one row of an array
file of shape (images, height, width, 3) and type uint8. A box is [x1, y1, x2, y2] in pixels from
the upper left corner, x2 and y2 exclusive. An image without annotations has an empty list.

Two liberties of data sets in this form are understood when reading: further keys, which are
left out, and regions with a list of boxes for one phrase, which become one region for each box.
A third is understood when asked for: boxes that reach out of their image are clipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy
from PIL import Image
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from runner.errors import DataError

ANNOTATIONS = "annotations.jsonl"
IMAGES = "images.npy"

# What numpy and Pillow raise on files that are damaged or made to harm.
_UNREADABLE = (
    OSError,
    ValueError,
    IndexError,
    SyntaxError,
    EOFError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
)

_Side = Annotated[int, Field(ge=1, le=100_000)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Region(_Frozen):
    """A box and the words of the caption that it belongs to."""

    bbox: tuple[FiniteFloat | int, FiniteFloat | int, FiniteFloat | int, FiniteFloat | int]
    phrase: Annotated[str, Field(min_length=1)]


class Grounding(_Frozen):
    """A caption and its regions, none where nobody annotated the image."""

    caption: Annotated[str, Field(min_length=1)]
    regions: tuple[Region, ...] = ()

    @field_validator("regions", mode="before")
    @classmethod
    def _one_box_each(cls, regions: Any) -> Any:
        if not isinstance(regions, list):
            return regions
        return [single for region in regions for single in _with_single_box(region)]


class UncheckedImage(_Frozen):
    """One line of the file, whose boxes may be anywhere."""

    filename: str
    width: _Side
    height: _Side
    grounding: Grounding

    @model_validator(mode="after")
    def _filename_is_inside(self) -> UncheckedImage:
        path = PurePosixPath(self.filename)
        if not self.filename or path.is_absolute() or ".." in path.parts or "\0" in self.filename:
            raise ValueError("filename must be a relative path inside the data folder")
        return self


class AnnotatedImage(UncheckedImage):
    """One line of the file."""

    @model_validator(mode="after")
    def _boxes_are_inside(self) -> AnnotatedImage:
        for region in self.grounding.regions:
            x1, y1, x2, y2 = region.bbox
            if not (0 <= x1 < x2 <= self.width and 0 <= y1 < y2 <= self.height):
                raise ValueError(
                    f"box {list(region.bbox)} of {region.phrase!r} is empty or outside of the "
                    f"image of {self.width} x {self.height} pixels (`import-odvg --clip-boxes` "
                    "clips such boxes)"
                )
        return self


@dataclass
class Clips:
    """What was clipped of boxes so far."""

    clipped: int = 0
    """Boxes that reached out of their image, and what is inside was kept."""
    dropped: int = 0
    """Boxes of which nothing is inside, or that had no area to begin with."""
    furthest: float = 0.0
    """Most pixels by which one of either reached out of its image."""
    where: str = ""
    """Line and phrase of that one; of the first one while none reached out."""

    def clip(self, image: UncheckedImage, number: int) -> AnnotatedImage:
        """The image of line `number` with its boxes inside of it, fewer if need be."""
        kept = []
        for region in image.grounding.regions:
            x1, y1, x2, y2 = region.bbox
            box = (max(x1, 0), max(y1, 0), min(x2, image.width), min(y2, image.height))
            if box == region.bbox and x1 < x2 and y1 < y2:
                kept.append(region)
                continue
            out = max(-min(x1, x2), -min(y1, y2), max(x1, x2) - image.width,
                      max(y1, y2) - image.height, 0)  # fmt: skip
            if out > self.furthest or not self.where:
                self.furthest, self.where = out, f"line {number}, {region.phrase!r}"
            if box[0] < box[2] and box[1] < box[3]:
                self.clipped += 1
                kept.append(Region(bbox=box, phrase=region.phrase))
            else:
                self.dropped += 1
        grounding = Grounding(caption=image.grounding.caption, regions=tuple(kept))
        return AnnotatedImage(
            filename=image.filename, width=image.width, height=image.height, grounding=grounding
        )


def _with_single_box(region: Any) -> list[Any]:
    """One region for each box of a region that has a list of boxes; else the region itself."""
    boxes = region.get("bbox") if isinstance(region, dict) else None
    if isinstance(boxes, list) and boxes and all(isinstance(box, list) for box in boxes):
        return [region | {"bbox": box} for box in boxes]
    return [region]


def write_annotations(path: Path, images: Iterable[AnnotatedImage]) -> None:
    """Write one line for each image."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{image.model_dump_json()}\n" for image in images)


def read_annotations(path: Path, clips: Clips | None = None) -> Iterator[AnnotatedImage]:
    """Read and check a file of annotations line by line.

    Boxes that are not inside of their image are refused; given `clips`, they are clipped and
    counted there.

    Raises:
        DataError: the file cannot be read, or a line is not valid; names file and line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    if clips is None:
                        yield AnnotatedImage.model_validate_json(line)
                    else:
                        yield clips.clip(UncheckedImage.model_validate_json(line), number)
                except ValidationError as error:
                    first = error.errors(include_url=False)[0]
                    place = ".".join(str(part) for part in first["loc"]) or "line"
                    raise DataError(
                        f"{path}, line {number}: {place}: {first['msg']}; "
                        "correct or remove this line"
                    ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check the path") from error


def write_array_header(file: BinaryIO, images: int, side: int) -> None:
    """Begin an array file of so many square images, whose bytes are then simply appended."""
    descriptor = npy.dtype_to_descr(np.dtype(np.uint8))
    shape = (images, side, side, 3)
    npy.write_array_header_1_0(file, {"descr": descriptor, "fortran_order": False, "shape": shape})


def load_image(folder: Path, annotated: AnnotatedImage) -> npt.NDArray[np.uint8]:
    """The pixels of an annotated image, shape (height, width, 3).

    Raises:
        DataError: the image is missing, unreadable, not of the stated size or outside `folder`.
            There is no substitute image: training on blanks would go unnoticed.
    """
    name, _, row = annotated.filename.partition("#")
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{annotated.filename}: the path leads out of {folder}; correct it")
    try:
        if not path.is_file():  # a pipe would be waited for without end
            raise FileNotFoundError("there is no such file")
        pixels = _row(path, row) if row else _picture(path)
    except _UNREADABLE as error:
        raise DataError(
            f"image {annotated.filename} in {folder} is missing or unreadable ({error}): "
            "restore it or remove its line from the annotations"
        ) from error
    if pixels.shape != (annotated.height, annotated.width, 3):
        raise DataError(
            f"image {annotated.filename} in {folder} has shape {pixels.shape}, but its annotation "
            f"says {annotated.width} x {annotated.height} pixels: correct the annotation"
        )
    return pixels


def _row(path: Path, row: str) -> npt.NDArray[np.uint8]:
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise ValueError(f"expected uint8 of 4 dimensions, found {images.dtype} of {images.ndim}")
    if not row.isdecimal():
        raise ValueError(f"row {row!r} is not a number")
    return np.array(images[int(row)])


def _picture(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))
