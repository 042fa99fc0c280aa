"""The secret from which the evaluation splits are drawn: 32 random bytes."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from runner.errors import DataError

SALT_BYTES = 32


def new_salt() -> bytes:
    """A fresh salt."""
    return secrets.token_bytes(SALT_BYTES)


def salt_digest(salt: bytes) -> str:
    """A public name for a salt; with 32 random bytes nothing about it can be guessed from it."""
    return hashlib.sha256(b"mergelab salt\0" + salt).hexdigest()[:12]


def check_salt(salt: bytes) -> bytes:
    """The salt, if it is one.

    Raises:
        DataError: wrong length, or hardly random.
    """
    if len(salt) != SALT_BYTES or len(set(salt)) < SALT_BYTES // 4:
        raise DataError(
            f"a salt must be {SALT_BYTES} random bytes, this one has {len(salt)} bytes with "
            f"{len(set(salt))} different values: copy private/salt.hex of another runner's data, "
            "or leave the salt out to have one made"
        )
    return salt


def read_salt(path: Path) -> bytes:
    """Read a salt as 64 hexadecimal digits (as `write_salt` writes it) or 32 raw bytes.

    Raises:
        DataError: the file cannot be read or holds no salt.
    """
    try:
        with path.open("rb") as file:
            content = file.read(1_000)
    except OSError as error:
        raise DataError(
            f"the salt file {path} cannot be read ({error.strerror}): check path and permissions"
        ) from error
    if len(content) != SALT_BYTES:
        try:
            content = bytes.fromhex(content.decode("ascii").strip())
        except ValueError:
            raise DataError(
                f"the salt file {path} must hold {2 * SALT_BYTES} hexadecimal digits or "
                f"{SALT_BYTES} raw bytes: copy the file again from the runner that made it"
            ) from None
    return check_salt(content)


def write_salt(path: Path, salt: bytes) -> None:
    """Write a salt so that only the owner can read it."""
    path.touch(mode=0o600)
    path.write_text(salt.hex() + "\n", encoding="ascii")
