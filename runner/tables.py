"""What all tables of `bot.toml` have in common."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of bot.toml: unknown keys are errors."""

    # The text under a field is its description: docs/reference/models.py reads it.
    # Defaults are validated too, so that 5 and 5.0 are one number wherever it is written down.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def plain_path(value: str) -> str:
    """A relative path inside the repository, without `..` and without odd characters."""
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or str(path) != value:
        raise ValueError("must be a plain relative path inside the repository")
    if any(ord(character) < 32 or character == "\\" for character in value):
        raise ValueError("must not contain control characters or backslashes")
    if any(part.casefold() == ".git" for part in path.parts):
        raise ValueError("must not lie in a folder '.git', which is git's own")
    return value
