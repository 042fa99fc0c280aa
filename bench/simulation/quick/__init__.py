"""Git's plumbing answered in this process, some hundred times as fast.

A history takes thousands of git commands. Those that the bot uses are answered here from objects
and refs in memory (`store`); every other one is handed to the real git, for which everything is
written into the repository's folder first. That both give the same is tested: the same seed ends
in the same commit with this and with git alone.
"""

from bench.simulation.quick.git import QuickGit
from bench.simulation.quick.ledger import quick_ledger
from bench.simulation.quick.store import Store

__all__ = ["QuickGit", "Store", "quick_ledger"]
