"""What a clone may lack: the depth of the history, and the pull requests themselves.

`git clone` brings branches only. The ledger is on the base branch and travels with it; pull
requests live under `refs/forge/pulls`, which git carries between clones when it is told to.
"""

from __future__ import annotations

from pathlib import Path

from bot.errors import BotError
from bot.forge.git import REFSPEC, known_numbers, travels
from bot.git import Repository
from bot.history import ledger
from bot.settings import Settings


class ShallowClone(BotError):
    """The history ends early, and the ledger with it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is a shallow clone, and the ledger of all experiments is the whole history "
            "of the base branch. Fetch the rest: git fetch --unshallow"
        )


def advice(repository: Repository, settings: Settings) -> str | None:
    """A line about pull requests that are elsewhere, or that will stay here; None: all is well.

    Nothing is configured here: that is the user's to decide. Where every look and every write
    goes to a remote, or to GitHub, there is nothing to say.
    """
    if settings.forge.kind != "git" or settings.forge.remote:
        return None
    known = known_numbers(repository)
    entries = ledger.read(repository.path, settings.repository.base)
    absent = sum(entry.number not in known for entry in entries)
    if absent:
        return (
            f"{absent} of the ledger's {len(entries)} pull requests are not in this clone; if they "
            f"were pushed, this fetches them: git fetch origin '{REFSPEC}'"
        )
    if travels(repository) is False:
        return (
            "Pull requests stay in this clone until 'origin' is told to carry them: see 'Between "
            "clones' in docs/architecture.md."
        )
    return None
