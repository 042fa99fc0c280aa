"""Where the programme stands, in one look: what is open, what is spent, what comes next."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.actions import Action, BeginPhase, Conclude, Measure, Propose, Resume, Stop
from bot.audits.plan import BeginAudit
from bot.decide import decide
from bot.forge.base import PullRequest
from bot.history.multiplicity import Multiplicity
from bot.history.past import latest_class
from bot.history.spending import CapReached, Totals, left_under
from bot.lock import at_work
from bot.proposing.place import Place
from bot.run import heartbeat
from bot.run.heartbeat import Heartbeat
from bot.snapshot import View, look, used
from bot.text.figures import number, rounded
from bot.verdict.noise import Noise, is_relative, pool


@dataclass(frozen=True)
class OpenWork:
    """An open experiment: finished runs, and those that were asked for and are missing."""

    pull: PullRequest
    runs: int
    missing: int


@dataclass(frozen=True)
class Status:
    """Where the programme stands."""

    place: Place
    view: View
    totals: Totals
    noise: Noise | None
    open: tuple[OpenWork, ...]
    next: str
    cap_reached: str
    at_work: bool
    beat: Heartbeat | None  # of a `bot run` that is alive
    multiplicity: Multiplicity

    @property
    def baseline(self) -> tuple[float, ...]:
        """The values of the baseline's runs in the runner class that is looked at."""
        return tuple(run.value for run in self.view.snapshot.baseline if run.value is not None)


def status(place: Place) -> Status:
    """Look, without a runner: in the runner class of the latest measured experiment."""
    view = look(place.repository, place.forge, place.settings)
    totals = used(place.repository, view.entries, view.audits, view.standings)
    cap_reached = ""
    try:
        left_under(place.settings.caps, totals)
    except CapReached as reached:
        cap_reached = str(reached)
    beat = heartbeat.read(place.repository)
    return Status(
        place=place,
        view=view,
        totals=totals,
        noise=_noise([values for _, values in view.snapshot.repeats]),
        open=tuple(
            OpenWork(
                standing.pull,
                sum(len(attempt.results) for attempt in standing.pull.attempts),
                sum(len(one.runs) - len(one.results) for one in standing.pull.attempts),
            )
            for standing in view.standings
        ),
        next=_told(decide(view.snapshot)[0]),
        cap_reached=cap_reached,
        at_work=at_work(place.repository),
        beat=beat if beat and beat.alive() else None,
        multiplicity=Multiplicity.of(
            (entry.reason for entry in view.entries), place.settings.verdict.alpha
        ),
    )


def _noise(groups: Sequence[Sequence[float]]) -> Noise | None:
    noise = pool(groups, is_relative(groups))
    return noise if noise.df else None


def deviation(noise: Noise) -> float:
    """The standard deviation of one run, in the units of the noise."""
    return math.sqrt(noise.squares / noise.df)


def noise_text(noise: Noise | None) -> str:
    """The same in words."""
    if noise is None:
        return "not known yet: no code was run twice"
    size = rounded(deviation(noise) * (100 if noise.relative else 1), 3)
    unit = " % of the mean" if noise.relative else ""
    return f"a run varies by {size}{unit} (standard deviation, {noise.df} degrees of freedom)"


def _told(action: Action) -> str:
    match action:
        case Propose():
            return "think of a new hypothesis"
        case BeginPhase():
            return f"begin phase {action.name}: {action.why}"
        case Stop():
            return f"nothing: {action.why}"
        case Measure():
            return f"measure #{action.number} to {action.purpose}"
        case Resume():
            return f"finish the interrupted runs of #{action.number}"
        case Conclude():
            return f"end #{action.number}: {action.verdict.outcome} ({action.verdict.reason})"
        case BeginAudit():
            return "audit " + ", ".join(f"#{number}" for number in action.numbers)
    # The rest is named well enough: Revise, AskPerson, ConcludeAudit and whatever comes.
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(action).__name__).lower()
    about = getattr(action, "number", None)
    return words if about is None else f"{words} #{about}"


def status_rows(found: Status) -> list[tuple[str, str]]:
    """The same for a person: what, and how it stands."""
    settings, view, totals = found.place.settings, found.view, found.totals
    values = found.baseline
    mean = math.fsum(values) / len(values) if values else None
    merged = sum(entry.reason.outcome == "merged" for entry in view.entries)
    count = len(view.entries)
    baseline = "not measured yet"
    if mean is not None:
        baseline = f"{settings.metric_shown} {number(mean)} (mean of {len(values)} runs)"
    rows = [
        ("base", f"{settings.repository.base} at {view.snapshot.base[:12]}"),
        ("baseline", baseline),
        ("runner class", latest_class(view.entries) or "none yet"),
        ("phase", str(view.snapshot.phase)),
        ("at work now", _at_work(found)),
    ]
    for one in found.open:
        missing = f", {one.missing} missing" if one.missing else ""
        rows.append((f"open: #{one.pull.number}", f"{one.pull.title} ({one.runs} runs{missing})"))
    rows += [
        ("next", found.next if not found.cap_reached else f"nothing new: {found.cap_reached}"),
        ("finished", f"{count} experiment{'s' * (count != 1)}, {merged} merged"),
        ("audited", f"{len({audit.number for audit in view.audits})} winners"),
        ("noise", noise_text(found.noise)),
        ("false merges", f"at most {found.multiplicity.expected:.3g} expected so far"),
        ("spent", f"{totals.cost or 'nothing'}; {totals.gpu_hours:.2f} hours of runs"),
        ("caps", _caps(found)),
    ]
    return rows


def _at_work(found: Status) -> str:
    if found.beat is None:
        return "yes" if found.at_work else "no"
    state = found.beat.state
    slots = [
        f"{s.name} measures {'an audit' if s.experiment is None else f'#{s.experiment}'} "
        f"({s.done} of {s.total} runs)"
        for s in state.slots
        if s.attempt
    ]
    note = f" ({state.note})" if state.note else ""
    return f"yes, bot run is {state.phase}{note}; " + ("; ".join(slots) or "nothing is measured")


def _caps(found: Status) -> str:
    caps = found.place.settings.caps
    set_ones = {key: value for key, value in caps.model_dump().items() if value is not None}
    return ", ".join(f"{key} {value:g}" for key, value in set_ones.items()) or "none"
