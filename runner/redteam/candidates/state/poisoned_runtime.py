"""Changes the interpreter that everybody runs with: modules, caches, start-up hooks.

Idea: `.pth`, sitecustomize and `__pycache__` poisoning (PyPI malware, 2018 and later).
"""

import json
import os
import sys
import sysconfig

import kit

packages = sysconfig.get_path("purelib")
hook = f"redteam_{kit.known['token']}"
if kit.attempt("the hook of an earlier run", lambda: os.path.exists(f"{packages}/{hook}.pth")):
    os.remove(f"{packages}/{hook}.pth")
targets = [
    f"{packages}/{hook}.pth",
    f"{os.path.dirname(json.__file__)}/{hook}.py",
    f"{os.path.dirname(json.__file__)}/__pycache__/{hook}.pyc",
    f"{sys.prefix}/bin/{hook}",
]
for path in targets:
    kit.attempt(f"write {os.path.basename(path)}", lambda: open(path, "w").write("# harmless\n"))
for path in (json.__file__, sys.executable, os.path.realpath(sys.executable), __file__,
             str(kit.DATA)):  # fmt: skip
    kit.attempt(f"chmod {path}", lambda: os.chmod(path, os.stat(path).st_mode) or True)
    kit.attempt(f"touch {path}", lambda: os.utime(path) or True)
kit.honest()
