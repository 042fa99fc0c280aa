"""Names derived from words of people and models that git accepts everywhere."""

from __future__ import annotations

import re
import unicodedata

LONGEST_SLUG = 40


def slug(title: str) -> str:
    """A branch-name part: a-z, 0-9 and single dashes, 1 to 40 characters, cut between words."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii").lower()
    words = re.findall(r"[a-z0-9]+", plain)
    text = ""
    for word in words:
        longer = f"{text}-{word}" if text else word[:LONGEST_SLUG]
        if len(longer) > LONGEST_SLUG:
            break
        text = longer
    return text or "experiment"
