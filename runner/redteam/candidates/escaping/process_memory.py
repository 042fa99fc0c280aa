"""Reads and writes the memory of other processes without attaching to them.

Idea: process_vm_writev and /proc/<pid>/mem need no ptrace session.
"""

import ctypes

import kit

buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 64)
for process in (kit.known["victim"], kit.known["runner"], 1):
    for name in ("process_vm_readv", "process_vm_writev"):
        kit.attempt(f"{name} {process}", lambda: kit.call(name, process, vector, 1, vector, 1, 0))
    kit.attempt(f"open mem of {process}", lambda: open(f"/proc/{process}/mem", "r+b"))
kit.honest()
