"""Names of branches."""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 40


def slug(title: str) -> str:
    """A title as a part of a branch name: a-z, 0-9 and single dashes, at most 40 characters.

    Never empty, and always a name that git accepts.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(words) > _LONGEST:
        words = words[:_LONGEST].rpartition("-")[0] or words[:_LONGEST]
    return words.strip("-") or "experiment"
