"""A sandbox that is used as it is, with notes taken of everything that comes out of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.sandbox.base import Guarantee, Job, Outcome, Sandbox

_MARK = b"@redteam "
_LARGEST_READ = 32 << 20


@dataclass(frozen=True)
class Attempt:
    """One line of a candidate's diary: what it tried, and what came of it."""

    what: str
    done: bool
    why: str  # if not done: an errno's name or an exception's; if done: what it got


@dataclass(frozen=True)
class Observation:
    """One job: how it ended, what it says about itself, and which secrets it carried out."""

    job: Job
    outcome: Outcome
    attempts: tuple[Attempt, ...]
    tried: bool  # its diary says that the attack was tried
    namespaces: Mapping[int, int]  # of process ids: inode, and when a process in it started
    leaked: int  # how many of the secrets were in its output or log


@dataclass
class Observed:
    """Any backend, observed. `seen` grows by one for every job."""

    sandbox: Sandbox
    secrets: Sequence[bytes] = ()
    seen: list[Observation] = field(default_factory=list)

    def __post_init__(self) -> None:
        """It is named like the backend."""
        self.name = self.sandbox.name

    def identity(self) -> str:
        """The backend's."""
        return self.sandbox.identity()

    def guarantees(self) -> tuple[Guarantee, ...]:
        """The backend's."""
        return self.sandbox.guarantees()

    def run(
        self, job: Job, collect_to: Path, on_output: Callable[[bytes], None] | None = None
    ) -> Outcome:
        """Run the job in the backend, and take notes."""
        outcome = self.sandbox.run(job, collect_to, on_output)
        records = list(_diary(outcome.log_tail))
        pieces = [outcome.log_tail, outcome.note.encode(errors="replace"), *_contents(collect_to)]
        self.seen.append(
            Observation(
                job=job,
                outcome=outcome,
                attempts=tuple(
                    Attempt(str(r["attempt"]), r.get("done") is True, str(r.get("why", "")))
                    for r in records
                    if "attempt" in r
                ),
                tried=any("tried" in r or "attempt" in r for r in records),
                namespaces={
                    r["namespace"]: r["started"]
                    for r in records
                    if isinstance(r.get("namespace"), int) and isinstance(r.get("started"), int)
                },
                leaked=sum(any(secret in piece for piece in pieces) for secret in self.secrets),
            )
        )
        return outcome


def _diary(log: bytes) -> Iterator[dict[str, Any]]:
    for line in log.splitlines():
        if line.startswith(_MARK):
            with contextlib.suppress(ValueError):
                record = json.loads(line.removeprefix(_MARK))
                if isinstance(record, dict):
                    yield record


def _contents(folder: Path) -> Iterator[bytes]:
    """Names and contents of the collected files, which are plain by now."""
    for path in sorted(folder.rglob("*")):
        yield path.name.encode(errors="replace")
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                yield file.read(_LARGEST_READ)
