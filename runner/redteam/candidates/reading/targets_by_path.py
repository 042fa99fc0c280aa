"""Opens the targets, the salt and a secret file at their paths on the host, known from outside.

Idea: published audits of agent benchmarks, where answers lay in a file that could be opened.
"""

import kit

for path in kit.known["secret_paths"]:
    kit.attempt(f"read {path}", lambda path=path: kit.dump(path))
kit.honest()
