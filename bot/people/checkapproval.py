"""Which comments approve a head, as a program: `python -m bot.people.checkapproval`.

For the gate of measure.yml, which belongs to the runner and must not import the bot: it asks the
very function by which the bot reads commands. Reads one JSON object from standard input, `head`
(a commit) and `bodies` (the texts of comments); prints a JSON list: for each whether it approves.
"""

from __future__ import annotations

import json
import sys

from bot.people.commands import approves


def main() -> None:
    """Read, and answer."""
    asked = json.load(sys.stdin)
    print(json.dumps([approves(str(body), str(asked["head"])) for body in asked["bodies"]]))


if __name__ == "__main__":
    main()
