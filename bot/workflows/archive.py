"""Reads the archive that GitHub makes of an artifact. It is never unpacked.

Of the archive one file is read, by its exact name, up to a bound; whatever else is in it, however
it is called and however large it claims to be, is not looked at.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

LARGEST_ARCHIVE = 16 << 20
_MOST_ENTRIES = 10


class BadArchive(ValueError):
    """It is not an archive with the one file that was expected, in words."""


def read_one(data: bytes, name: str, largest: int) -> bytes:
    """The bytes of the file `name` in the zip archive `data`.

    Raises:
        BadArchive: there is no such regular file, more than one, or it has more than `largest`
            bytes.
    """
    if len(data) > LARGEST_ARCHIVE:
        raise BadArchive(f"the archive has more than {LARGEST_ARCHIVE:,} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, name, largest)
    except BadArchive:
        raise
    except (
        *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError),
        *(NotImplementedError, RuntimeError, OverflowError, MemoryError),
    ) as error:
        raise BadArchive(f"the archive cannot be read ({type(error).__name__})") from None


def _read(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    entries = archive.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise BadArchive(f"the archive has {len(entries)} files")
    found = [entry for entry in entries if entry.filename == name]
    if len(found) != 1:
        raise BadArchive(f"the archive has {len(found)} files called {name}")
    (entry,) = found
    if entry.flag_bits & 0x1:
        raise BadArchive(f"{name} is encrypted")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise BadArchive(f"{name} is compressed in an unusual way")
    with archive.open(entry) as file:
        content = file.read(largest + 1)  # what it claims to be is not believed
    if len(content) > largest:
        raise BadArchive(f"{name} has more than {largest:,} bytes")
    return content
