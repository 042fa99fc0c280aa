"""The rules for changes as a program: `python -m bot.policy.checkdiff REPOSITORY FORK HEAD...`.

For the runner's red team, which must not import the bot: it asks the very function that the bot
asks before it measures and before it merges. Prints one JSON object: for each head, the rules
that the change from `FORK` to it breaks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bot import settings
from bot.git import Repository
from bot.policy.inspection import check_change


def main(repository: str, fork: str, *heads: str) -> None:
    """Check every head."""
    folder = Path(repository)
    chosen = settings.load(folder)
    opened = Repository(folder)
    broken = {
        head: [str(violation.rule) for violation in check_change(opened, fork, head, chosen)]
        for head in heads
    }
    print(json.dumps(broken))


if __name__ == "__main__":
    main(*sys.argv[1:])
