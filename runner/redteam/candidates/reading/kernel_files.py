"""Reads the machine's memory, log and symbols through /proc and /dev.

Idea: /proc/kcore and /dev/mem hold everything that any process knows.
"""

import kit

for path in ("/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/dev/mem", "/dev/kmsg", "/dev/sda",
             "/proc/sched_debug", "/proc/timer_list", "/proc/vmallocinfo"):  # fmt: skip
    kit.attempt(f"read {path}", lambda path=path: open(path, "rb").read(4096))
kit.honest()
