"""What a proposer is told: the present state, the past, and what may still be spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bot import snapshot
from bot.audits.sealed import sealed
from bot.candidate import allowed_files
from bot.history import spending
from bot.model import Direction, Estimate
from bot.phases.standing import grant, split_program
from bot.phases.tables import PhaseTable
from bot.policy import rules as policy
from bot.proposers.account import Left
from bot.proposers.base import Context, PastExperiment, Revision
from bot.proposers.portfolio import REVISING
from bot.proposing import background
from bot.settings import IMPORTED
from bot.snapshot import View

if TYPE_CHECKING:
    from bot.proposing.place import Place

HISTORY = 1_000
"""How many of the latest experiments a proposer is told about."""


def context(
    place: Place,
    view: View,
    refused: tuple[str, ...] = (),
    *,
    revision: Revision | None = None,
    ahead: int = 0,
    phase: str | None = None,
    base: str | None = None,
) -> Context:
    """What a proposer may know about the present state and the past.

    `ahead` is how many others are being thought of just now; `phase` names another phase than the
    one that holds, `base` an earlier commit that files and scratchpad are read from. Raises
    CapReached.
    """
    present = view.snapshot.base
    seen = base or present
    values = [run.value for run in view.snapshot.baseline if run.value is not None]
    settings = place.settings
    reads = any(name in REVISING for name in settings.shares)
    # Nothing that people wrote carries a number of the sealed split to somebody who reads.
    plain = sealed(place, view.entries, view.audits).redact if reads else _as_it_is
    program = plain(_text(place, present, "program.md"))
    granted = grant(_phase(place, view, revision, phase), program)
    numbers = {entry.number for entry in view.entries[-background.LOOKED_AT :]}
    numbers |= {standing.pull.number for standing in view.standings}
    return Context(
        number=1 + _last_number(view) + ahead,
        seed=settings.proposer.seed,
        files=view.files if seen == present else allowed_files(place.repository, seen, settings),
        beside=view.beside,
        entry=settings.candidate.entry,
        metric=settings.metric.name,
        direction=Direction(settings.metric.direction),
        baseline=sum(values) / len(values) if values else None,
        history=[
            replace(past, title=plain(past.title))
            for past in (*_history(place, view), *_open_ones(place, view))
        ],
        program=split_program(program)[0],
        scratchpad=plain(_text(place, seen, settings.scratchpad.path)),
        imported=plain(_text(place, present, IMPORTED)) if reads else "",
        most_beliefs=settings.scratchpad.beliefs,
        ahead=ahead,
        refused=refused,
        rules=policy.Rules.of(settings.candidate),
        phase=replace(granted, scope=plain(granted.scope)),
        remarks=tuple(
            replace(remark, text=plain(remark.text))
            for remark in (background.remarks(place.forge, numbers) if reads else ())
        ),
        revision=_plain_revision(revision, plain),
        base=seen,
        left=left(place, view, opening=revision is None),
        curve=partial(background.curve, place.forge),
    )


def _as_it_is(text: str) -> str:
    return text


def _plain_revision(revision: Revision | None, plain: Callable[[str], str]) -> Revision | None:
    if revision is None:
        return None
    said = revision.hypothesis
    idea = replace(said, title=plain(said.title), rationale=plain(said.rationale))
    return replace(revision, hypothesis=idea, guidance=plain(revision.guidance))


def _phase(place: Place, view: View, revision: Revision | None, name: str | None) -> PhaseTable:
    """The phase of this name; else the one that holds, for a revision that of its experiment."""
    holds = view.snapshot.phase
    if name is None and revision is not None:
        name = view.standing(revision.number).pull.record.get("phase")
    named = place.settings.phase_named(name)
    return named or (holds.phase if holds else place.settings.programme[0])


def left(place: Place, view: View, *, opening: bool = True) -> Left:
    """What a proposal may still cost; whether another experiment may be opened counts only for
    one. Raises CapReached."""
    caps = place.settings.caps
    if not opening:
        caps = caps.model_copy(update={"max_experiments": None})
    return spending.left_under(caps, used(place, view))


def used(place: Place, view: View) -> spending.Totals:
    """What the repository's whole history has used up."""
    return snapshot.used(place.repository, view.entries, view.audits, view.standings)


def _history(place: Place, view: View) -> list[PastExperiment]:
    entries = view.entries[-HISTORY:]
    paths = place.settings.candidate.paths
    commits = {commit for entry in entries for commit in (entry.head, entry.fork)} - {"-"}
    found = place.repository.read_many([(commit, path) for commit in commits for path in paths])

    def files(commit: str) -> dict[str, bytes]:
        read = {path: found.get((commit, path)) for path in paths}
        return {path: data for path, data in read.items() if data is not None}

    past = []
    for entry in entries:
        estimate = None
        if entry.difference is not None and entry.interval is not None:
            estimate = Estimate(
                difference=entry.difference,
                low=entry.interval[0],
                high=entry.interval[1],
                level=entry.level or 0.0,
                candidate_mean=entry.value or 0.0,
                baseline_mean=entry.baseline or 0.0,
                candidate_runs=entry.seeds,
                baseline_runs=entry.seeds,
                degrees_of_freedom=0.0,
            )
        past.append(
            PastExperiment(
                number=entry.number,
                title=entry.title,
                reason=entry.reason,
                files=files(entry.head),
                metric=entry.value,
                baseline=entry.baseline,
                estimate=estimate,
                comparable=view.runner_class in entry.evidence,
                base_files=files(entry.fork) or None,
                proposer=entry.proposer,
                mark="" if entry.fingerprint == "-" else entry.fingerprint,
            )
        )
    return past


def _open_ones(place: Place, view: View) -> list[PastExperiment]:
    """Experiments in flight: what they change is known, what comes of it is not."""
    found = []
    for standing in view.standings:
        pull = standing.pull
        fork = place.repository.merge_base(view.snapshot.base, pull.head)
        before = allowed_files(place.repository, fork, place.settings) if fork else {}
        found.append(
            PastExperiment(
                number=pull.number,
                title=pull.title,
                reason=None,
                files=allowed_files(place.repository, pull.head, place.settings),
                metric=None,
                baseline=None,
                estimate=None,
                base_files=before or None,
                proposer=str(pull.record.get("proposer", "")),
                mark=standing.fingerprint,
            )
        )
    return found


def _last_number(view: View) -> int:
    numbers = [entry.number for entry in view.entries]
    return max([*numbers, *(standing.pull.number for standing in view.standings)], default=0)


def _text(place: Place, commit: str, path: str) -> str:
    data = place.repository.read_file(commit, path) or b""
    return data.decode("utf-8", errors="replace")
