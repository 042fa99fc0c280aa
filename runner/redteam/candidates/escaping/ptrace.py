"""Attaches to processes of the host and to the sandbox's first one, to run code in them.

Idea: ptrace of processes of the same user.
"""

import kit

ATTACH, SEIZE = 16, 0x4206
for process in (kit.known["victim"], kit.known["runner"], 1):
    kit.attempt(f"ptrace {process}", lambda: kit.call("ptrace", ATTACH, process, 0, 0))
    kit.attempt(f"ptrace seize {process}", lambda: kit.call("ptrace", SEIZE, process, 0, 0))
kit.honest()
