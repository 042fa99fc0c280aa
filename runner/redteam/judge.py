"""Whether an attack was blocked, and by what: from evidence that was taken outside."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.events import Event, OutputEvent
from runner.redteam.case import Case
from runner.redteam.observe import Attempt, Observation
from runner.result import Measurement, Status
from runner.sandbox import seccomp
from runner.sandbox.base import Ended

_SLACK_S = 10.0  # of a busy machine
_OVERHEAD_S = 30.0
_MEMORY_SLACK = 96 << 20  # what can be taken between two looks of a watcher
_LONGEST_LINE = 500
_MOST_REASONS = 4

_REASONS = {
    "ENETUNREACH": "network namespace without a route",
    "EHOSTUNREACH": "network namespace without a route",
    "EADDRNOTAVAIL": "network namespace without a route",
    "ENETDOWN": "network namespace without a route",
    "EINVAL": "refused by the kernel as meaningless here",
    "ENODEV": "no such device",
    "ECONNREFUSED": "network namespace of its own",
    "gaierror": "no name service",
    "EAFNOSUPPORT": "system-call filter (socket families)",
    "ESOCKTNOSUPPORT": "no raw sockets",
    "EPROTONOSUPPORT": "system-call filter (socket families)",
    "ENOSYS": "system-call filter",
    "EROFS": "read-only mount",
    "EACCES": "another user's, without capabilities",
    "ENOENT": "not in the sandbox's file system",
    "ENOTDIR": "not in the sandbox's file system",
    "ESRCH": "process-id namespace",
    "EAGAIN": "limit of processes",
    "RuntimeError": "limit of processes",
    "EMFILE": "limit of open files",
    "ENOSPC": "size of the folder",
    "EFBIG": "limit of a file's size",
    "EXDEV": "another file system",
    "EBADF": "nothing is inherited",
    "ENOTTY": "no terminal",
    "ENXIO": "no terminal",
    "EIO": "no terminal",
    "EISDIR": "not a file",
    "EEXIST": "already there",
    "EOPNOTSUPP": "not supported by the file system",
    "LookupError": "hidden",
    "": "nothing was there",
}


@dataclass(frozen=True)
class Evidence:
    """Everything that was seen of one case."""

    measurements: Sequence[Measurement]
    observations: Sequence[Observation]
    events: Sequence[Event]
    damage: Sequence[str]
    survivors: Sequence[str]
    took_s: float
    captions: Sequence[str] = ()


@dataclass(frozen=True)
class Finding:
    """What came of an attack. `by` is what stopped it, or what it could do."""

    name: str
    family: str
    blocked: bool
    by: str


def judge(case: Case, evidence: Evidence, honest: float) -> Finding:
    """Look at the evidence; `honest` is the metric of the honest candidate, lower being better."""
    problems = list(_problems(case, evidence, honest))
    by = "; ".join(problems) if problems else _stopped_by(case, evidence)
    return Finding(case.name, case.family, not problems, by)


def _problems(case: Case, evidence: Evidence, honest: float) -> Iterator[str]:
    for observation in evidence.observations:
        yield from _of_a_job(observation)
    yield from evidence.damage
    yield from (f"outlived its run: {one}" for one in evidence.survivors)
    for result in evidence.measurements:
        if result.status not in case.ends:
            yield f"not tried, or it ended unexpectedly: {result.status} ({result.message})"
        if result.metric is not None and result.metric < honest:
            yield f"a better metric than the honest candidate: {result.metric:.4g} < {honest:.4g}"
        yield from _of_published(result.model_dump(mode="json"), evidence.captions)
    if len(evidence.measurements) != case.runs:
        yield f"{len(evidence.measurements)} results for {case.runs} runs"
    for event in evidence.events:
        if isinstance(event, OutputEvent):
            yield from _of_published({"line": event.line}, evidence.captions)
    spent = sum(observation.outcome.wall_s for observation in evidence.observations)
    if evidence.took_s - spent > _OVERHEAD_S:
        yield f"it kept the runner busy for {evidence.took_s - spent:.0f} s after its jobs"


def _of_a_job(seen: Observation) -> Iterator[str]:
    limits, outcome = seen.job.limits, seen.outcome
    for attempt in seen.attempts:
        if attempt.done:
            yield f"{attempt.what}: done ({attempt.why})"
    if seen.leaked:
        yield f"{seen.leaked} of the host's secrets came out"
    if outcome.wall_s > limits.wall_s + _SLACK_S:
        yield f"ran {outcome.wall_s:.0f} s instead of {limits.wall_s:.0f} s"
    if (outcome.peak_memory_bytes or 0) > limits.memory_bytes + _MEMORY_SLACK:
        yield f"held {outcome.peak_memory_bytes} bytes of memory"
    if len(outcome.log_tail) > limits.log_bytes:
        yield "its log is longer than it may be"


def _of_published(value: Mapping[str, Any], captions: Sequence[str]) -> Iterator[str]:
    """What is wrong with text that people and models will read."""
    for key, text in _texts(value):
        if any(not _plain(character) for character in text):
            yield f"characters that are not plain text in {key}"
        if key != "log_tail" and (len(text) > _LONGEST_LINE or "\n" in text):
            yield f"more than a line in {key}"
        if any(caption in text for caption in captions):
            yield f"evaluation inputs in {key}"


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)


def _plain(character: str) -> bool:
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn"}
    return character == "\n" or unicodedata.category(character) not in hidden


def _stopped_by(case: Case, evidence: Evidence) -> str:
    reasons: Counter[str] = Counter()
    for result in evidence.measurements:
        if result.status is not Status.OK:
            reasons[_end(result, evidence.observations)] += 1_000
    for observation in evidence.observations:
        for attempt in observation.attempts:
            reasons[_refusal(attempt)] += 1
    reasons.pop(_REASONS[""], None)
    return "; ".join(reason for reason, _ in reasons.most_common(_MOST_REASONS)) or case.otherwise


def _end(result: Measurement, seen: Sequence[Observation]) -> str:
    """How the runner ended, or refused, the last job."""
    last = seen[-1].outcome
    match last.ended:
        case Ended.TIMED_OUT:
            return f"deadline: {last.note}"
        case Ended.OUT_OF_MEMORY:
            return f"limit: {last.note}"
        case Ended.OUTPUT_LIMIT:
            return f"output rules: {last.note.removeprefix('left in the output folder: ')}"
    if result.status is Status.INVALID_OUTPUT:
        return f"scorer: {result.message}"
    return f"{result.status}, and never run again: {result.message}"


def _refusal(attempt: Attempt) -> str:
    first = attempt.what.split()[0]
    if attempt.why == "EPERM":
        return "system-call filter" if first in _FILTERED else "no capabilities"
    return _REASONS.get(attempt.why, attempt.why)


_FILTERED = {*(seccomp.denied_calls() if seccomp.supported() else ()), "unshare", "clone",
             "ioctl", "int", "x32", "chroot", "TIOCSTI", "TIOCLINUX", "memfd_create"}  # fmt: skip
