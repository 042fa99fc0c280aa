"""Makes every program start its library first: by environment, by /etc, by its own loader.

Idea: LD_PRELOAD; /etc/ld.so.preload is the favourite of rootkits.
"""

import os

import kit

for path in ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/profile", "/etc/passwd",
             "/lib64/ld-linux-x86-64.so.2"):  # fmt: skip
    kit.attempt(f"write {path}", lambda: open(path, "r+b" if os.path.exists(path) else "wb"))
os.environ["LD_PRELOAD"] = str(kit.OUT / "hook.so")
os.environ["PYTHONSTARTUP"] = os.environ["PYTHONPATH"] = str(kit.OUT)
kit.honest()
(kit.OUT / "hook.so").write_bytes(b"\x7fELF")
