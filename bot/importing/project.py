"""The files of an existing repository, as far as guesses need them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.errors import BotError
from bot.git import Repository

_MOST_BYTES = 1_000_000


class CannotImport(BotError):
    """Something that init needs to know cannot be guessed, or is in the way."""


@dataclass(frozen=True)
class Project:
    """A repository that the bot does not work on yet."""

    repository: Repository
    tracked: frozenset[str]

    @classmethod
    def of(cls, repository: Repository) -> Project:
        """The project in a repository's working tree. Raises CannotImport without a commit."""
        if repository.resolve("HEAD") is None:
            raise CannotImport(
                "This repository has no commit yet. Commit your script first: experiments start "
                "from what is committed."
            )
        return cls(repository, frozenset(repository.all_files("HEAD")))

    @property
    def folder(self) -> Path:
        """The top of the working tree."""
        return self.repository.path

    def text(self, path: str) -> str:
        """A file's text; empty if it is missing, large or no text."""
        place = self.folder / path
        try:
            if not place.is_file() or place.stat().st_size > _MOST_BYTES:
                return ""
            return place.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError):
            return ""

    def inside(self, *parts: str) -> str | None:
        """A plain path inside the repository for what exists at `parts`, or None."""
        try:
            place = Path(os.path.normpath(self.folder.joinpath(*parts)))
            if not place.exists() or place == self.folder:
                return None
            return place.relative_to(self.folder).as_posix()
        except (OSError, ValueError):  # outside, too long, a NUL in it
            return None

    def tracked_below(self, path: str) -> tuple[str, ...]:
        """The tracked files that are `path` or lie below it."""
        return tuple(
            sorted(name for name in self.tracked if name == path or name.startswith(f"{path}/"))
        )

    def has_untracked(self, path: str) -> bool:
        """Whether a file or folder holds something that git does not have."""
        place = self.folder / path
        if place.is_file():
            return path not in self.tracked
        for folder, folders, names in os.walk(place):
            folders[:] = [name for name in folders if name not in {"__pycache__", ".git"}]
            for name in names:
                if (Path(folder) / name).relative_to(self.folder).as_posix() not in self.tracked:
                    return True
        return False


def is_above(folder: str, path: str) -> bool:
    """Whether `path` is `folder` or lies below it."""
    return PurePosixPath(path).is_relative_to(folder)
