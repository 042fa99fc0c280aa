"""Pieces of Markdown that the generated pages share."""

from __future__ import annotations

import re

NOTE = "<!-- Made by `make docs` (docs/make_reference.py). Do not edit it here. -->"


def linked(text: str) -> str:
    """A text of the code, in which names of pages become links to them."""
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", text)


def cell(text: str) -> str:
    """A text as one cell of a table."""
    return text.replace("|", "\\|")
