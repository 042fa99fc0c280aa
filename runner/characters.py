"""Characters that show nothing: what can hide text from a person who reads it.

The code points with the Unicode property Default_Ignorable_Code_Point (DerivedCoreProperties.txt,
Unicode 16.0), and the few more that are drawn as a blank.
"""

from __future__ import annotations

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
