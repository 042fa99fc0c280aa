"""Prepares the default task's data, once, in a cache outside the repository.

    python -m runner prepare --size small

Layout of `<cache>/data/<version>-<size>/`:

    manifest.json                      every file with size and digest
    train/                             what a candidate trains on (see its README.txt)
    smoke/train, /images, /captions    a sliver of the training data in the form of each phase
    private/                           never mounted in any sandbox:
        salt.hex                       the secret of the evaluation splits
        <split>/images/images.npy      one group of inputs
        <split>/captions/captions.json the other group
        <split>/targets.json           for each image, the position of its caption

The training data follows to the byte from the version and the size. The evaluation splits
also follow from the salt, so that runners that share a salt measure the same thing.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runner.errors import DataError
from runner.task.build import SALT, TARGETS, build, needed_bytes
from runner.task.compose import DATA_VERSION, RECIPES, Composer, SizeName
from runner.task.salt import check_salt, new_salt, read_salt, salt_digest
from runner.task.score import GROUPS, Targets
from runner.task.splits import SPLITS
from runner.task.store import (
    PRIVATE,
    Manifest,
    check_folder,
    clean_up,
    explained,
    free_bytes,
    locked,
    make_public,
    new_folder,
    write_manifest,
)


@dataclass(frozen=True)
class TaskData:
    """Prepared data. `private` is for `stage_inputs` and `load_targets` alone."""

    size: SizeName
    version: str  # of data, size and salt: equal versions have equal evaluation splits
    digest: str  # SHA-256 over all files
    folder: Path
    pairs: int  # image-caption pairs in each evaluation split
    smoke_pairs: int
    groups: tuple[str, ...] = GROUPS

    @property
    def train(self) -> Path:
        """The folder that a candidate trains on."""
        return self.folder / "train"

    @property
    def smoke(self) -> Path:
        """The sliver: `train`, and one folder for each group."""
        return self.folder / "smoke"

    @property
    def private(self) -> Path:
        """Salt, evaluation inputs and targets."""
        return self.folder / PRIVATE


def cache_folder() -> Path:
    """Where data is kept: $MERGELAB_CACHE, else mergelab in $XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("MERGELAB_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification wants relative paths to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "mergelab"


def prepare(
    size: SizeName,
    cache: Path | None = None,
    salt: bytes | None = None,
    on_progress: Callable[[float, str], None] | None = None,
    *,
    repair: bool = False,
    thorough: bool = False,
) -> TaskData:
    """Make the data of one size, or check quickly that it is there.

    An interrupted preparation leaves nothing that counts as prepared; two at once wait for
    each other. Without `salt`, a fresh one is made the first time and kept.

    Args:
        size: "small" for a CPU, "full" for a GPU, "tiny" for tests.
        cache: the cache folder; by default `cache_folder()`.
        salt: 32 random bytes, to share evaluation splits with other runners.
        on_progress: called with the share done (0 to 1) and what is being done.
        repair: if the data is damaged, make it again with the salt that it has.
        thorough: read every file and compare it with the manifest.

    Raises:
        DataError: damaged, prepared with another salt, no space, no permission, bad salt.
    """
    cache = cache_folder() if cache is None else cache
    if salt is not None:
        check_salt(salt)
    report = on_progress or _silently
    name = f"{DATA_VERSION}-{size}"
    final = cache / "data" / name
    lock = final.with_name(f"{name}.lock")
    needed = needed_bytes(RECIPES[size])

    def on_wait() -> None:
        report(0.0, "waiting for another process that prepares the data")

    with explained(final, needed), locked(lock, on_wait):
        clean_up(final)
        if final.exists():
            try:
                return _existing(size, final, salt, thorough=thorough)
            except _AnotherSalt:
                raise
            except DataError:
                if not repair:
                    raise
                salt = salt or read_salt(final / PRIVATE / SALT)
        salt = salt or new_salt()
        if free_bytes(final) < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with new_folder(final) as folder:
            build(Composer.of(size), folder, salt, report)
            manifest = write_manifest(folder, name)
    return _task_data(size, final, salt, manifest)


class _AnotherSalt(DataError):
    pass


def _silently(_share: float, _what: str) -> None:
    pass


def _existing(size: SizeName, final: Path, salt: bytes | None, *, thorough: bool) -> TaskData:
    manifest = check_folder(final, final.name, thorough=thorough)
    own = read_salt(final / PRIVATE / SALT)
    if salt is not None and salt != own:
        raise _AnotherSalt(
            f"the data in {final} was prepared with another salt ({salt_digest(own)}, not "
            f"{salt_digest(salt)}): use another cache (MERGELAB_CACHE), or delete that folder and "
            "prepare again; measurements with the old salt cannot be compared with new ones"
        )
    return _task_data(size, final, own, manifest)


def _task_data(size: SizeName, final: Path, salt: bytes, manifest: Manifest) -> TaskData:
    return TaskData(
        size=size,
        version=f"{final.name}-{salt_digest(salt)}",
        digest=manifest.digest,
        folder=final,
        pairs=RECIPES[size].pairs,
        smoke_pairs=RECIPES[size].smoke_pairs,
    )


def stage_inputs(data: TaskData, split: str, group: str, destination: Path) -> None:
    """Copy the inputs of one group of an evaluation split to a new or empty folder.

    Raises:
        DataError: unknown split or group, a folder that is not empty, or a failed copy.
    """
    if split not in SPLITS or group not in GROUPS:
        raise DataError(
            f"there is no group {group!r} in a split {split!r}: groups are {', '.join(GROUPS)}, "
            f"splits are {', '.join(SPLITS)}"
        )
    _copy(data.private / split / group, destination)


def stage_smoke_train(data: TaskData, destination: Path) -> None:
    """Copy the sliver of training data to a new or empty folder."""
    _copy(data.smoke / "train", destination)


def stage_smoke_inputs(data: TaskData, group: str, destination: Path) -> None:
    """Copy one group of the smoke run's inputs, taken from the training data."""
    if group not in GROUPS:
        raise DataError(f"there is no group {group!r}: groups are {', '.join(GROUPS)}")
    _copy(data.smoke / group, destination)


def load_targets(data: TaskData, split: str) -> Targets:
    """Which caption belongs to which image of an evaluation split."""
    if split not in SPLITS:
        raise DataError(f"there is no split {split!r}: splits are {', '.join(SPLITS)}")
    path = data.private / split / TARGETS
    try:
        positions = json.loads(path.read_bytes())
        return Targets(np.array(positions, dtype=np.int64))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"the targets in {path} cannot be read ({error}): prepare the data again with --repair"
        ) from error


def _copy(source: Path, destination: Path) -> None:
    needed = sum(path.stat().st_size for path in source.glob("*"))
    with explained(destination, needed, "TMPDIR"):
        destination.mkdir(parents=True, exist_ok=True)
        if any(destination.iterdir()):
            raise DataError(f"{destination} is not empty: give a new folder to copy inputs to")
        for path in source.iterdir():
            shutil.copyfile(path, destination / path.name)
        make_public(destination)
