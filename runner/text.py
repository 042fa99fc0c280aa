"""Makes text that a candidate wrote safe to show in terminals and JSON.

Whoever puts it into Markdown fences or escapes it there.
"""

from __future__ import annotations

import re
import unicodedata

from runner.characters import is_invisible

# Control sequences of terminals: CSI, OSC (ended by BEL or ST), and other two-byte escapes. Every
# quantifier is over a class that excludes what follows it, so that matching stays linear.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn"}
# Marks that are stacked on a letter: languages need one or two, a smuggler needs many.
_STACKED = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{2})"
    r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+"
)
_LINE_ENDS = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def clean_text(raw: bytes, limit: int) -> str:
    """The end of `raw` as text of at most `limit` bytes in UTF-8, safe to print.

    Undecodable bytes are replaced; terminal escapes, control, format (bidirectional and
    zero-width), invisible, surrogate and private characters are removed; a progress bar's carriage
    returns become line ends.
    """
    # Characters are removed below, so that more than `limit` bytes may be needed to fill it.
    text = raw[-8 * limit :].decode("utf-8", errors="replace")
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text)).expandtabs(4)
    text = _STACKED.sub(r"\1", "".join(character for character in text if _is_safe(character)))
    encoded = text.encode("utf-8")
    if len(encoded) <= limit:
        return text
    return encoded[-limit:].decode("utf-8", errors="ignore")


def clean_line(raw: bytes, limit: int = 200) -> str:
    """The last line of `raw` that is not blank, cleaned and cut to `limit` characters."""
    for line in reversed(clean_text(raw, 16 * limit).split("\n")):
        if stripped := line.strip():
            return stripped[:limit]
    return ""


def _is_safe(character: str) -> bool:
    if character == "\n" or " " <= character <= "~":
        return True
    return unicodedata.category(character) not in _UNSAFE and not is_invisible(character)
