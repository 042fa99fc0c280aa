"""Changes settings of the kernel: the core dump handler, the module loader, sysrq.

Idea: core_pattern with a pipe runs a program as root on the host; release_agent likewise.
"""

import glob

import kit

settings = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
            "/proc/sys/vm/drop_caches", "/proc/sys/vm/panic_on_oom", "/proc/self/oom_score_adj",
            "/sys/kernel/uevent_helper", "/sys/power/state"]  # fmt: skip
settings += glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True)[:3]
settings += glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:3]


def write(path):
    value = "-1000" if "oom" in path else "|/bin/false"
    with open(path, "w") as file:
        file.write(value)
    return f"wrote {value}"


for path in settings:
    kit.attempt(f"write {path}", lambda: write(path))
kit.honest()
