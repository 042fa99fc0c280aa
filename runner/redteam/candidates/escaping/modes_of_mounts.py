"""Changes modes, owners, times and attributes of what it may only read.

Idea: a bind mount shows the host's own files; chmod needs no write access to their content.
"""

import os

import kit

for path in (kit.DATA, kit.DATA / "images.npy", "/candidate", __file__, "/usr/bin", "/",
             kit.MODEL / "model.json", "/dev/null", "/proc/self/fd/0"):  # fmt: skip
    if os.path.exists(path):
        kit.attempt(f"chmod {path}", lambda: os.chmod(path, 0o777) or True)
        kit.attempt(f"chown {path}", lambda: os.chown(path, 1000, 1000) or True)
        kit.attempt(f"setxattr {path}", lambda: os.setxattr(path, "user.redteam", b"x") or True)
kit.honest()
