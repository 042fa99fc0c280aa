"""Files that init would write: which are new, which are there already, and writing them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.importing.project import CannotImport


@dataclass(frozen=True)
class Proposal:
    """Texts by path, in the order in which people read them."""

    folder: Path
    files: dict[str, str]  # not there yet
    kept: tuple[str, ...]  # there already, and left alone

    @classmethod
    def of(cls, folder: Path, wanted: Mapping[str, str]) -> Proposal:
        """What of `wanted` is new below `folder`."""
        kept = tuple(path for path in wanted if os.path.lexists(folder / path))
        return cls(folder, {path: text for path, text in wanted.items() if path not in kept}, kept)

    def write(self) -> None:
        """Write the new files, the last first: with bot.toml, the first, init is over.

        Raises:
            CannotImport: one cannot be written, for example because it is there by now.
        """
        for path, text in reversed(self.files.items()):
            place = self.folder / path
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("x", encoding="utf-8") as file:
                    file.write(text)
            except OSError as error:
                raise CannotImport(f"{path} cannot be written: {error.strerror}.") from None
