"""The trusted metric of the default task: image-text retrieval from predicted embeddings.

For each group ("images", "captions") a candidate writes `predictions.npy`: one row for each
input, in the given order. The similarity of an image and a caption is the plain dot product of
their rows in double precision; a candidate that wants cosine similarity normalises its rows.

The rank of an image's own caption is 1 + the number of other captions that are at least as
similar to the image, so that ties count against the candidate: a constant prediction scores the
worst possible, the number of pairs. Captions find images likewise, and both directions are
averaged. `mean_rank` is the metric (lower is better); `median_rank` and the share of ranks
up to 1 and up to 5 (`recall@1`, `recall@5`) go with it.

Each dot product is summed in the order of the dimensions, one after the other, so that it
depends on its two rows alone: the position of an item in the secret orders, block sizes,
threads or the linear-algebra library never decide whether two similarities are equal.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runner.errors import InvalidOutput

GROUPS = ("images", "captions")
PREDICTIONS = "predictions.npy"
MAX_DIMENSIONS = 4096

_LARGEST = 1e100  # products of two, summed 4096 times, stay finite
_SMALLEST = 1e-100  # products of two are still normal numbers: denormal ones are very slow
_BLOCK = 64  # rows at a time, so that a block of similarities stays in the processor's cache
_HEADER_LIMIT = 1_000
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '<f([248])', 'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{1,9}), ([0-9]{1,9})\), \} *\n"
)

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Targets:
    """`caption_of_image[i]` is the position of image i's caption: a permutation, int64."""

    caption_of_image: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        pairs = self.caption_of_image.shape[0] if self.caption_of_image.ndim == 1 else 0
        if not pairs or not np.array_equal(np.sort(self.caption_of_image), np.arange(pairs)):
            raise ValueError("the targets are not a permutation")


@dataclass(frozen=True)
class Score:
    """The metric and what is reported beside it."""

    metric: float  # mean rank, from 1 (best) to the number of pairs
    secondary: dict[str, float]


def score(predictions: Mapping[str, Path], targets: Targets) -> Score:
    """Score the predictions of both groups.

    Args:
        predictions: for each of `GROUPS`, the folder that holds its `predictions.npy`.
        targets: the true pairs.

    Raises:
        InvalidOutput: a file is missing or not as described above.
    """
    pairs = len(targets.caption_of_image)
    images, captions = check_predictions(predictions, pairs)
    similarity = _similarities(images, captions[targets.caption_of_image])
    true = np.diagonal(similarity)
    # Others at least as similar, plus the item itself, which always is.
    of_caption = (similarity >= true[:, None]).sum(axis=1)
    of_image = (similarity >= true[None, :]).sum(axis=0)
    directions = (of_caption, of_image)

    def averaged(values: list[float]) -> float:
        return sum(values) / len(values)

    return Score(
        metric=averaged([float(ranks.mean()) for ranks in directions]),
        secondary={
            "median_rank": averaged([float(np.median(ranks)) for ranks in directions]),
            "recall@1": averaged([float((ranks <= 1).mean()) for ranks in directions]),
            "recall@5": averaged([float((ranks <= 5).mean()) for ranks in directions]),
        },
    )


def check_predictions(predictions: Mapping[str, Path], pairs: int) -> tuple[Matrix, Matrix]:
    """Read the predictions of both groups: images and captions, each (pairs, dimensions).

    Raises:
        InvalidOutput: a file is missing or not as described above.
    """
    images, captions = (read_predictions(predictions[group], group, pairs) for group in GROUPS)
    if images.shape != captions.shape:
        raise InvalidOutput(
            f"images have {images.shape[1]} dimensions, captions {captions.shape[1]}: they must "
            "be equal"
        )
    return images, captions


def read_predictions(folder: Path, group: str, pairs: int) -> Matrix:
    """Read one group's predictions from a folder that a candidate wrote.

    Nothing is allocated before the size of the file was found to agree with its header.

    Raises:
        InvalidOutput: says what is wrong; contains nothing that the candidate wrote but numbers.
    """
    name = f"{group}/{PREDICTIONS}"
    with os.fdopen(_open_regular(folder / PREDICTIONS, name), "rb") as file:
        length = os.fstat(file.fileno()).st_size
        width, fortran, dimensions, offset = _parse_header(file.read(_HEADER_LIMIT), name, pairs)
        size = pairs * dimensions * width
        if length != offset + size:
            raise InvalidOutput(f"{name} has {length} bytes, its header announces {offset + size}")
        file.seek(offset)
        content = file.read(size)
    if len(content) != size:
        raise InvalidOutput(f"{name} changed while it was read")
    order = (dimensions, pairs) if fortran else (pairs, dimensions)
    values = np.frombuffer(content, dtype=f"<f{width}").reshape(order)
    return _checked(values.T if fortran else values, name)


def _open_regular(path: Path, name: str) -> int:
    """A descriptor of a regular file that is no link; never waits for a pipe's other end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InvalidOutput(f"{name} is missing") from None
    except OSError as error:
        raise InvalidOutput(f"{name} cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidOutput(f"{name} is not a regular file")
    return descriptor


def _parse_header(start: bytes, name: str, pairs: int) -> tuple[int, bool, int, int]:
    """Bytes for each number, column order, dimensions, and where the numbers start.

    Only the one form that numpy writes for plain arrays is accepted, by a pattern: numpy's own
    reader evaluates a literal, which hostile nesting can make fail in many ways.
    """
    if not start.startswith(_MAGIC):
        raise InvalidOutput(f"{name} is not an array file of version 1.0, as numpy.save writes it")
    offset = len(_MAGIC) + 2 + int.from_bytes(start[8:10], "little")
    header = _HEADER.fullmatch(start[10:offset]) if offset <= len(start) else None
    if header is None:
        raise InvalidOutput(
            f"{name} must hold a plain two-dimensional array of float16, float32 or float64"
        )
    width, fortran, rows, dimensions = header.groups()
    if int(rows) != pairs or not 1 <= int(dimensions) <= MAX_DIMENSIONS:
        raise InvalidOutput(
            f"{name} has shape ({int(rows)}, {int(dimensions)}); expected {pairs} rows and 1 to "
            f"{MAX_DIMENSIONS} columns"
        )
    return int(width), fortran == b"True", int(dimensions), offset


def _checked(values: npt.NDArray[np.floating], name: str) -> Matrix:
    if not np.isfinite(values).all():
        raise InvalidOutput(f"{name} contains values that are not finite")
    result = np.array(values, dtype=np.float64, order="C")
    magnitude = np.abs(result)
    if magnitude.max() > _LARGEST:
        raise InvalidOutput(f"{name} contains values beyond {_LARGEST:g}")
    result[magnitude < _SMALLEST] = 0.0
    return result


def _similarities(images: Matrix, captions: Matrix) -> Matrix:
    """All dot products, each summed dimension by dimension; see the module's docstring."""
    pairs = len(images)
    result = np.zeros((pairs, pairs))
    columns = np.ascontiguousarray(captions.T)
    for start in range(0, pairs, _BLOCK):
        rows = np.ascontiguousarray(images[start : start + _BLOCK].T)
        block = result[start : start + _BLOCK]
        product = np.empty_like(block)
        for left, right in zip(rows, columns, strict=True):
            np.multiply(left[:, None], right, out=product)
            block += product
    return result
