"""Characters that show nothing: what can hide text from a person who reads it.

The code points with the Unicode property Default_Ignorable_Code_Point (DerivedCoreProperties.txt,
Unicode 16.0), and the few more that are drawn as a blank.
"""

from __future__ import annotations

import functools
import unicodedata

_IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
_BLANK = (0x2800,)  # an empty Braille pattern


def is_invisible(character: str) -> bool:
    """Whether a character is drawn as nothing, or as a blank that is no space."""
    code = ord(character)
    return code in _BLANK or any(first <= code <= last for first, last in _IGNORABLE)


# Control, format, line and paragraph separators, surrogates, and private-use characters.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})


def is_hidden(character: str) -> bool:
    """Whether a reader does not see it, or sees what follows in another order.

    Tabs and line ends (LF, CR) are not hidden; spaces of other widths are not either (see
    `is_odd_space`).
    """
    if character.isascii():
        return (character < " " and character not in "\t\n\r") or character == "\x7f"
    return _is_hidden(character)


@functools.lru_cache(maxsize=4096)
def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN_CATEGORIES or is_invisible(character)


def is_odd_space(character: str) -> bool:
    """Whether it is a space that is not the common one, for example one that does not break."""
    return character != " " and unicodedata.category(character) == "Zs"
