"""The ledger's commits, for which `bot.history.ledger` starts a git of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.simulation.quick.store import Store
from bot.history import ledger


@contextmanager
def quick_ledger(stores: Mapping[Path, Store]) -> Iterator[None]:
    """`bot.history.ledger.commits` of the repositories at these places, from their stores."""
    usual = ledger.commits

    def commits(
        repository: Path, branch: str, *patterns: str, where: str | None = None
    ) -> Iterator[str]:
        store = stores[repository]
        wanted = re.compile("|".join(patterns).encode(), re.MULTILINE)
        old, _dots, tip = (where or store.refs[f"refs/heads/{branch}"]).rpartition("..")
        for commit in store.first_parents(tip, old):
            head, _blank, message = store.objects[commit][1].partition(b"\n\n")
            if wanted.search(message):
                when = re.findall(rb"^committer .* (\d+) [+-]\d+$", head, re.MULTILINE)[0]
                yield f"{commit} {when.decode()}\n{message.decode('utf-8', 'replace')}"

    ledger.commits = commits
    try:
        yield
    finally:
        ledger.commits = usual
