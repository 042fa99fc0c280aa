"""Reads and writes the memory of other processes without attaching to them.

Idea: process_vm_writev and /proc/<pid>/mem need no ptrace session.
"""

import ctypes

import kit


def memory(process):
    with open(f"/proc/{process}/maps") as maps:
        start = int(maps.read().split("-")[0], 16)
    with open(f"/proc/{process}/mem", "r+b", 0) as file:
        file.seek(start)
        return file.read(16)


buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 64)
for process in (kit.known["victim"], kit.known["runner"], 1):
    for name in ("process_vm_readv", "process_vm_writev"):
        kit.attempt(f"{name} {process}", lambda: kit.call(name, process, vector, 1, vector, 1, 0))
    kit.attempt(f"open mem of {process}", lambda: memory(process))
    kit.attempt(f"open mem of thread {process}", lambda: memory(f"{process}/task/{process}"))
kit.honest()
