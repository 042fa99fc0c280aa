"""`python -m tests.github REPOSITORY [--port N] [--owner LOGIN]`: the model as a process.

Prints one line of JSON with the base address once it listens, and serves until it is ended.
The repository is a bare one. The token `admin-token` belongs to the owner; the token
`bot-token` to the App `mergelab` (id 77) with every permission that the bot needs.
"""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path

from tests.github.server import running
from tests.github.setting import new_github


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.github", description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--public", action="store_true")
    options = parser.parse_args()
    github = new_github(options.repository.resolve(), private=not options.public)
    with running(github, options.port) as address:
        print(json.dumps({"api_url": address, "repository": github.full_name}), flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
