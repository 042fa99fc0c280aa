"""Leaves modules in its output that act when a trusted process imports by name from there.

Idea: sitecustomize, usercustomize, conftest and shadowed packages in a working folder.
"""

import kit

kit.honest()
code = f"open({kit.known['drop']!r} + '/imported', 'w')\n"
for name in ("sitecustomize", "usercustomize", "conftest", "numpy", "json", "runner", "score"):
    (kit.OUT / f"{name}.py").write_text(code)
(kit.OUT / "hook.pth").write_text("import sitecustomize\n")
