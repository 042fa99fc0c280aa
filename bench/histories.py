"""Histories of made-up experiments, written with `git fast-import` in the ledger's own words.

For benchmarks and tests of what reads the ledger. The numbers are drawn at random, with the
proportions of a real night: most experiments fail, some crash, winners are audited.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.audits import ledger as auditlog
from bot.audits.ledger import AuditEntry, Gain
from bot.history import ledger_message
from bot.model import Direction, Estimate, Purpose, Reason, Run, Side, Verdict

START = 1_700_000_000
CLASS = "class-a-0123456789ab"
"""The comparable class of all runs."""
_STEP_S = 900
_PHASES = ("explore", "tune", "simplify")
_FAILED = (Reason.CRASHED, Reason.TIMED_OUT, Reason.OUT_OF_MEMORY)
_NEVER_RUN = (Reason.DUPLICATE, Reason.BY_HUMAN, Reason.STALE)


@dataclass
class _World:
    head: str
    random: random.Random
    baseline: str  # digest of the files that are the baseline now
    level: float = 35.0
    winners: tuple[int, ...] = ()
    sessions: int = 0


def write(repository: Path, experiments: int, *, seed: int = 0, title: str = "") -> None:
    """A programme of so many experiments in three phases on branch `main` of a repository.

    `title` replaces every hypothesis: for texts that must not act.
    """
    head = _git(repository, "rev-parse", "HEAD")
    world = _World(head, random.Random(seed), _digest(0))
    stream, parent = [], head
    messages = (
        m for n in range(1, experiments + 1) for m in _messages(n, experiments, world, title)
    )
    for mark, (when, text) in enumerate(messages, 1):
        body = text.encode()
        who = f"Bench <bench@example.org> {when} +0000"
        header = f"commit refs/heads/main\nmark :{mark}\ncommitter {who}\ndata {len(body)}\n"
        stream.append(header.encode() + body + f"\nfrom {parent}\n\n".encode())
        parent = f":{mark}"
    command = ["git", "fast-import", "--quiet"]
    subprocess.run(command, cwd=repository, input=b"".join(stream), check=True)


def _messages(number: int, count: int, world: _World, title: str) -> Iterator[tuple[int, str]]:
    when = START + number * _STEP_S
    verdict, runs = _verdict(world, number)
    facts = ledger_message.Facts(
        number=number,
        title=title or f"Change constant {number % 17} for the {number}th time",
        phase=_PHASES[min(2, 3 * (number - 1) // max(1, count))],
        proposer="search" if number % 3 else "claude",
        metric="mean_rank",
        direction=Direction.LOWER,
        head=world.head,
        runs=runs,
        cost_usd=0.0 if number % 3 else 0.07,
        fork=world.head,
    )
    yield when, ledger_message.message(facts, verdict)
    if verdict.reason is Reason.IMPROVEMENT and verdict.estimate:
        world.level = verdict.estimate.candidate_mean
        world.baseline = _digest(number)
        world.winners = (*world.winners, number)
        if len(world.winners) % 3 == 0:
            yield when + 300, auditlog.message(_audit(world, number, verdict.estimate))


def _verdict(world: _World, number: int) -> tuple[Verdict, list[tuple[Side, Run]]]:
    draw = world.random.random()
    if draw < 0.06:
        return Verdict(world.random.choice(_NEVER_RUN), "It was not judged."), []
    if draw < 0.18:
        reason = world.random.choice(_FAILED)
        failed = _run(_digest(number), _seed(world), None, number, str(reason))
        return Verdict(reason, "Its first run failed."), [(Side.CANDIDATE, failed)]
    gain = world.random.gauss(-0.06, 0.06) if draw < 0.93 else abs(world.random.gauss(0.02, 0.012))
    value = world.level * (1 - gain)
    half = 0.02 * world.level * world.random.uniform(0.6, 2)
    difference = value - world.level
    low, high = difference - half, difference + half
    estimate = Estimate(difference, low, high, 0.95, value, world.level, 4, 4, 6.0)
    reason = Reason.IMPROVEMENT if draw >= 0.93 else Reason.NO_EVIDENCE
    if reason is Reason.NO_EVIDENCE and low > 0:
        reason = Reason.WORSE
    noise = 0.01 * world.level
    sides = ((Side.CANDIDATE, _digest(number), value), (Side.BASELINE, world.baseline, world.level))
    runs = [
        (side, _run(subject, seed, world.random.gauss(mean, noise), number))
        for seed in [_seed(world) for _ in range(4)]
        for side, subject, mean in sides
    ]
    return Verdict(reason, "Judged by the interval of the difference.", estimate), runs


def _run(subject: str, seed: int, value: float | None, number: int, status: str = "ok") -> Run:
    attempt = f"{number}.1"
    return Run(subject, seed, status, value, Purpose.TEST, CLASS, attempt, 70.0)


def _seed(world: _World) -> int:
    return world.random.randrange(2**31)


def _digest(number: int) -> str:
    """The digest of the files of an experiment's candidate; 0 for the first baseline."""
    return hashlib.sha256(f"files of experiment {number}".encode()).hexdigest()


def _audit(world: _World, number: int, estimate: Estimate) -> AuditEntry:
    world.sessions += 1
    gain = -estimate.difference
    confirmed = gain * world.random.uniform(-0.2, 1.1)
    half = 0.01 * world.level
    return AuditEntry(
        number=number,
        title=f"Winner {number}",
        session=world.sessions,
        parts=1,
        replicated=confirmed > 0.2 * gain,
        claimed=Gain(gain, gain - half, gain + half),
        confirmed=Gain(confirmed, confirmed - half, confirmed + half),
        runs=4,
        subject=world.head,
        duration_s=560.0,
        explanation="Measured again on fresh seeds.",
    )


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
