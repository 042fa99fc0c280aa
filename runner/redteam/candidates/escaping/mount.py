"""Mounts: the host's disk, a new /proc, a bind over its own data; and makes mounts writable.

Idea: what CAP_SYS_ADMIN in a container is good for.
"""

import ctypes

import kit

text = ctypes.c_char_p
kit.attempt(
    "mount proc", lambda: kit.call("mount", text(b"proc"), text(b"/tmp"), text(b"proc"), 0, 0)
)
kit.attempt("mount bind", lambda: kit.call("mount", text(b"/"), text(b"/tmp"), 0, 4096, 0))
kit.attempt("mount writable", lambda: kit.call("mount", 0, text(b"/data"), 0, 32 | 4096, 0))
kit.attempt("umount2", lambda: kit.call("umount2", text(b"/data"), 2))
kit.attempt("fsopen", lambda: kit.call("fsopen", text(b"tmpfs"), 0))
kit.attempt("open_tree", lambda: kit.call("open_tree", -100, text(b"/"), 1))
kit.attempt("pivot_root", lambda: kit.call("pivot_root", text(b"/tmp"), text(b"/tmp")))
kit.honest()
