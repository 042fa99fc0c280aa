"""Makes the predictions a device: endless zeros, or the host's disk.

Idea: /dev/zero as an answer; mknod in containers that kept CAP_MKNOD.
"""

import os
import stat

import kit

for name, number in (("zero", os.makedev(1, 5)), ("disk", os.makedev(8, 0))):
    kit.attempt(f"mknod {name}", lambda: os.mknod(kit.OUT / name, stat.S_IFBLK | 0o666, number)
                or True)  # fmt: skip
    kit.attempt(f"mknod char {name}", lambda: os.mknod(kit.OUT / name, stat.S_IFCHR | 0o666, number)
                or True)  # fmt: skip
kit.honest()
