"""The ledger: the base branch's own commits about experiments, read back from git.

Every verdict becomes one commit on the first-parent line of the base branch: the merge commit
of a winner, a scratchpad commit for everything else. Trailers carry the essentials, so that
`git log` tells the story, `bot log` reads nothing else, and the noise model and the proposers
find every earlier run without asking a forge. `ledger_message` writes what is read here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TypeVar

from bot.errors import LedgerError
from bot.history.ledger_message import NONE, SELF_REPORTED, run_from_row
from bot.history.scores import Scores, scores_of
from bot.model import Direction, Outcome, Reason, Run, Side

GREP = "^Experiment: [0-9]"
_SUBJECT = re.compile(r"(?:Merge|Close) experiment #\d+")
_REQUIRED = {"Experiment", "Hypothesis", "Reason", "Metric", "Head", "Evidence"}
_NAMES = (
    *("Experiment", "Hypothesis", "Verdict", "Reason", "Phase", "Proposer", "Metric", "Seeds"),
    *("Duration", "Baseline", "Difference", "Interval", "Cost", "Head", "Fork", "Fingerprint"),
    *("Reverts", "Scored", "Evidence"),
)
_OPTIONAL = {"Verdict", "Baseline", "Difference", "Interval", "Reverts", "Scored"}
_AS_WRITTEN = re.compile(
    "".join(f"(?:{name}: (.*)\n)" + ("?" if name in _OPTIONAL else "") for name in _NAMES)
)
"""The trailers as `message` writes them, with a line end: matched several times as fast as read."""
_PIPE = 1 << 20
_SEPARATOR = b"\0"  # the one byte that a commit message cannot contain
_MISLEADING = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"} | {
    "GIT_NAMESPACE",
    "GIT_COMMON_DIR",
}


_Read = TypeVar("_Read")


@dataclass(frozen=True)
class LedgerEntry:
    """What the base branch says about one finished experiment.

    `duration_s` is the time of all its sandboxed runs, baseline included; `evidence` is the
    machine-readable list of them as JSON text (see `runs`).
    """

    number: int
    title: str
    reason: Reason
    phase: str
    proposer: str
    metric: str
    direction: Direction
    value: float | None  # mean over the candidate's runs that count
    baseline: float | None
    difference: float | None
    interval: tuple[float, float] | None
    level: float | None
    seeds: int
    duration_s: float
    cost_usd: float
    head: str
    fork: str = ""  # the commit on the base branch that the experiment started from
    fingerprint: str = ""  # of the candidate's normalised files, see bot.history.fingerprint
    explanation: str = ""
    evidence: str = "[]"
    reverts: tuple[int, int] | None = None  # a winner and the audit session that refuted it
    self_reported: bool = False  # the candidates printed their metric themselves
    commit: str = ""
    committed_at: int = 0

    @property
    def outcome(self) -> Outcome:
        """Merged or closed."""
        return self.reason.outcome

    def runs(self) -> tuple[tuple[Side, Run], ...]:
        """Every finished run of the experiment, with the side of the comparison it was on.

        Raises:
            LedgerError: the commit's evidence is damaged.
        """
        return self._runs

    @cached_property
    def scores(self) -> Mapping[str, Scores]:
        """The same runs by runner class, reduced: many times as fast. Raises LedgerError."""
        from pydantic_core import from_json  # `bot log` needs neither

        return self._evidence(lambda text: scores_of(from_json(text)))

    @cached_property
    def _runs(self) -> tuple[tuple[Side, Run], ...]:
        return self._evidence(lambda text: tuple(map(run_from_row, json.loads(text))))

    def _evidence(self, read: Callable[[str], _Read]) -> _Read:
        try:
            return read(self.evidence)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise LedgerError(
                f"The ledger commit {self.commit[:12]} of experiment #{self.number} has damaged "
                f"evidence ({error}). Revert whatever rewrote the base branch's history."
            ) from None


def read(repository: Path, branch: str) -> tuple[LedgerEntry, ...]:
    """Every entry on the first-parent line of `branch`, oldest first, one per experiment.

    Commits that are not the ledger's are passed over. Reads only git, in one process.

    Raises:
        LedgerError: git failed, or a ledger commit lacks what it must have.
    """
    found: dict[int, LedgerEntry] = {}
    for chunk in commits(repository, branch, GREP):
        entry = entry_in(chunk)
        if entry:
            found[entry.number] = entry  # the log is newest first: the oldest one stands
    return tuple(reversed(found.values()))


def commits(
    repository: Path, branch: str, *patterns: str, where: str | None = None
) -> Iterator[str]:
    """Commits on the first-parent line of `branch` whose message has a line like a pattern.

    `where` is a commit of it to begin at instead, or a range.

    Newest first, each as "<id> <seconds since 1970>", a line end, and its message; while git
    still writes. Raises LedgerError when git fails.
    """
    # Nothing in a person's configuration or environment may change what is found.
    command = ["git", "-C", str(repository), "--no-replace-objects", "log", "-z", "--first-parent"]
    command += ["--no-show-signature", "--no-notes", "--no-color", "--no-decorate", "--no-mailmap"]
    command += ["--extended-regexp", f"--grep={'|'.join(patterns)}"]
    command += ["--encoding=UTF-8", "--format=%H %ct%n%B"]
    command += ["--end-of-options", where or f"refs/heads/{branch}", "--"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            pipesize=_PIPE,
            start_new_session=True,  # a Ctrl-C is for the bot to hear, which may finish first
            env={key: value for key, value in os.environ.items() if key not in _MISLEADING},
        ) as process,
    ):
        yield from _chunks(process.stdout)
        if process.wait() != 0:
            errors.seek(0)
            problem = errors.read().decode(errors="replace").strip().splitlines()[:1]
            raise LedgerError(
                f"The history of branch {branch!r} cannot be read: {' '.join(problem)}. "
                "Create the branch, or set repository.base in bot.toml."
            )


def _chunks(stream: IO[bytes] | None) -> Iterator[str]:
    """The commits in git's output, one after another."""
    rest = b""
    while stream and (more := stream.read(1 << 16)):
        *whole, rest = (rest + more).split(_SEPARATOR)
        for chunk in whole:
            yield chunk.decode("utf-8", errors="replace")


def entry_of(text: str) -> LedgerEntry:
    """The entry that a commit with this message will be. Raises LedgerError."""
    entry = _parse(text, "", 0)
    if entry is None:
        raise LedgerError("This is no message of the ledger.")
    return entry


def entry_in(chunk: str) -> LedgerEntry | None:
    """The entry in one of `commits`; None when it is not the ledger's. Raises LedgerError.

    A person's commit may quote the ledger in any way: only a commit with the subject *and*
    all the trailers of the ledger is one of its own.
    """
    header, _, body = chunk.lstrip("\n").partition("\n")
    if not _SUBJECT.match(body):
        return None
    commit, _, committed_at = header.partition(" ")
    return _parse(body, commit, int(committed_at))


def _parse(body: str, commit: str, committed_at: int) -> LedgerEntry | None:
    """The entry of a commit with this message; None where it lacks what makes it one."""
    story, _, block = body.rstrip("\n").rpartition("\n\n")
    try:
        texts = _texts(block)
        if texts is None:
            return None
        number, title, _, reason, phase, proposer, measured, seeds, duration, *numbers = texts
        baseline, difference, interval, cost, head, fork, fingerprint, *rest = numbers
        reverts, scored, evidence = rest
        metric, direction, value = measured.split()
        reach = _interval(interval)
        return LedgerEntry(
            number=int(number),
            title=title,
            reason=Reason(reason),
            phase=phase,
            proposer=proposer,
            metric=metric,
            direction=Direction(direction),
            value=_optional(value),
            baseline=_optional(baseline),
            difference=_optional(difference),
            interval=reach[:2] if reach else None,
            level=reach[2] if reach else None,
            seeds=int(seeds),
            duration_s=float(duration),
            cost_usd=float(cost),
            head=head,
            fork=fork,
            fingerprint=fingerprint,
            explanation=story.partition("\n\n")[2],
            evidence=evidence,
            reverts=_pair(reverts),
            self_reported=scored == SELF_REPORTED,
            commit=commit,
            committed_at=committed_at,
        )
    except (KeyError, ValueError) as error:
        raise LedgerError(
            f"The ledger commit {commit[:12]} cannot be read ({error!r}). It looks like one of "
            "the bot's but its trailers are damaged; revert whatever rewrote it."
        ) from None


def _texts(block: str) -> Sequence[str] | None:
    """What trailers say, in the order of `_NAMES`; None where they are not those of the ledger.

    Raises KeyError when one is missing all the same.
    """
    if found := _AS_WRITTEN.fullmatch(f"{block}\n"):
        return found.groups(NONE)
    lines = [line.partition(": ") for line in block.split("\n")]
    known = {key: value for key, mark, value in lines if mark}
    if not known.keys() >= _REQUIRED:
        return None
    known = dict.fromkeys(_OPTIONAL, NONE) | known
    return [known[name] for name in _NAMES]


def _interval(text: str) -> tuple[float, float, float] | None:
    if text == NONE:
        return None
    low, high, level = text.split()
    return float(low), float(high), float(level)


def _pair(text: str) -> tuple[int, int] | None:
    if text == NONE:
        return None
    first, second = text.split()
    return int(first), int(second)


def _optional(text: str) -> float | None:
    return None if text == NONE else float(text)
