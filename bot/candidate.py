"""What is measured of a commit or tree: its allowed files, their digest and their size."""

from __future__ import annotations

from collections.abc import Mapping

from bot.git import Repository
from bot.history import fingerprint
from bot.settings import Settings
from runner.digests import candidate_digest, data_digest
from runner.settings import LARGEST_FILE


def allowed_files(repository: Repository, tree: str, settings: Settings) -> dict[str, bytes]:
    """The files that an experiment may change, as they are in a commit or tree.

    One that is larger than bot.toml can allow counts as missing.
    """
    found = repository.read_files(tree, settings.candidate.paths, LARGEST_FILE)
    return {path: data for path, data in found.items() if data is not None}


def measured_digest(
    repository: Repository,
    tree: str,
    settings: Settings,
    allowed: Mapping[str, bytes] | None = None,
) -> str:
    """The identity of what is measured of a commit or tree: the runner's digest of it.

    That is the allowed files and those that the script needs beside them. `allowed` saves
    reading the former again.
    """
    files = dict(allowed_files(repository, tree, settings) if allowed is None else allowed)
    if needed := repository.files_below(tree, settings.candidate.needs):
        found = repository.read_files(tree, needed)
        files |= {path: data for path, data in found.items() if data is not None}
    return candidate_digest(files)


def needs_digest(repository: Repository, tree: str, settings: Settings) -> str:
    """The identity of what the candidate needs beside it in a commit or tree; empty if nothing.

    The same code is the same experiment only where this is the same.
    """
    candidate = settings.candidate
    found = repository.ids_below(tree, candidate.needs)
    kept = {path: mark for path, mark in found.items() if path not in candidate.paths}
    return data_digest(kept) if kept else ""


def size_of(files: Mapping[str, bytes]) -> int:
    """The size of some files: tokens of code, without comments."""
    return sum(fingerprint.code_tokens(content) for content in files.values())
