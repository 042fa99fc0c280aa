"""What merging would give, as a program: `python -m bot.policy.checkmerge REPOSITORY BASE HEAD`.

For the gate of measure.yml, which belongs to the runner and must not import the bot: it asks the
very functions that the bot asks before it measures and before it merges, with the bot.toml of
the commit BASE. Prints one JSON object: `merge_tree` (null if there is none), `conflicts` (paths),
and `violations` (what bot.toml does not allow, in words).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bot import settings
from bot.git import Conflicts, Repository
from bot.policy.inspection import check_change


def main(repository: str, base: str, head: str) -> None:
    """Merge and check."""
    opened = Repository(Path(repository))
    told = opened.read_file(base, settings.FILE_NAME) or b""
    chosen = settings.parse(told, f"{base[:12]}:{settings.FILE_NAME}")
    fork = opened.merge_base(base, head)
    if fork is None:
        _answer(violations=["the branch shares no history with the base branch"])
        return
    broken = check_change(opened, fork, head, chosen)
    if broken:
        _answer(violations=[str(violation) for violation in broken])
        return
    merged = opened.merge_tree(base, head)
    if isinstance(merged, Conflicts):
        _answer(conflicts=list(merged.paths))
        return
    # With several merge bases a three-way merge can change what the branch did not.
    changed = merged != opened.tree(base)
    broken = check_change(opened, base, merged, chosen) if changed else ()
    _answer(None if broken else merged, violations=[str(violation) for violation in broken])


def _answer(
    tree: str | None = None,
    *,
    conflicts: list[str] | None = None,
    violations: list[str] | None = None,
) -> None:
    print(
        json.dumps(
            {"merge_tree": tree, "conflicts": conflicts or [], "violations": violations or []}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
