"""`python -m bench NAME ...`: runs `bench.NAME.main(arguments)`, whose answer is the exit code."""

from __future__ import annotations

import importlib
import importlib.util
import sys

NAMES = {
    "overhead": "what the machinery costs beside the bare training",
    "sandbox": "what each sandbox costs, against a bare process",
    "verdict": "error rates and costs of the rule that decides, on synthetic metrics",
    "search": "nights of the search proposer against plain Optuna and random search",
    "report": "what the report costs where the history is long",
    "calls": "calls to GitHub for one experiment",
    "simulate": "many experiments through a simulated forge, with faults",
    "scale": "long histories and many runners",
    "headroom": "how much room the default task leaves, and how noisy it is",
    "night": "a night of the bot beside plain Optuna and random search",
    "gpu": "where the training time of train.py goes, and how well it uses a GPU",
}


def available() -> dict[str, str]:
    """The benchmarks that exist, with a line about each."""
    return {
        name: about
        for name, about in NAMES.items()
        if importlib.util.find_spec(f"bench.{name}") is not None
    }


def main(argv: list[str]) -> int:
    """Dispatch. Returns the exit code: 2 for a name that does not exist."""
    known = available()
    usage = "usage: python -m bench NAME [--json] [...]\n\n" + "\n".join(
        f"  {name:<10} {about}" for name, about in known.items()
    )
    if not argv or argv[0] in ("-h", "--help"):
        print(usage)
        return 0 if argv else 2
    if argv[0] not in known:
        print(f"there is no benchmark {argv[0]!r}\n\n{usage}", file=sys.stderr)
        return 2
    code: int = importlib.import_module(f"bench.{argv[0]}").main(argv[1:])
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
