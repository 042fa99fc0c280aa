"""Leaves a key in the user's keyring of the kernel, and looks for it in the next run.

Idea: keyrings belong to users, not to namespaces of processes (CVE-2014-9529 and others).
"""

import ctypes

import kit

USER_KEYRING, SEARCH = -4, 10
kind, name = ctypes.c_char_p(b"user"), ctypes.c_char_p(f"redteam-{kit.known['token']}".encode())
kit.attempt("keyctl", lambda: kit.call("keyctl", SEARCH, USER_KEYRING, kind, name, 0) and "found")
try:
    kit.call("add_key", kind, name, ctypes.c_char_p(b"x"), 1, USER_KEYRING)
except OSError:
    pass
kit.honest()
