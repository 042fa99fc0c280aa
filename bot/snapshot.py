"""Takes the snapshot that `decide` decides on, from the forge, the ledger and git.

Reads only, but that the forge first brings together what people did (`sync_heads`): their commits
to an experiment's branch go to `forge.remote`, and with `adopt = "files"` their pull requests on
GitHub get the label that makes them experiments. `View` also keeps, for whoever carries the
decision out, what the decision itself does not need: the pull requests, their merge trees and all
runs with their sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.audits.ledger import AuditEntry
from bot.audits.state import AuditReader
from bot.candidate import allowed_files, measured_digest, size_of
from bot.decide import Snapshot
from bot.forge.base import Forge, State
from bot.git import Repository
from bot.history import reading, spending
from bot.history.cost import Cost
from bot.history.ledger import LedgerEntry
from bot.history.past import Past, latest_class
from bot.history.references import References
from bot.history.trees import remake_trees
from bot.model import Direction
from bot.people.commands import PREFIX
from bot.people.inbox import Inbox
from bot.people.programme import Programme
from bot.phases.standing import standing as phase_standing
from bot.proposers.tables import CapsTable
from bot.ruling import Rules
from bot.settings import Settings
from bot.standing import Standing, StandingReader, reverts_of, with_former_baseline


@dataclass(frozen=True)
class View:
    """A snapshot, and everything it was made from."""

    snapshot: Snapshot
    entries: tuple[LedgerEntry, ...]
    audits: tuple[AuditEntry, ...]
    standings: tuple[Standing, ...]
    files: dict[str, bytes]  # the allowed files on the base branch
    runner_class: str
    programme: Programme = field(default_factory=Programme)
    beside: str = ""  # `needs_digest` of the base branch

    def standing(self, number: int) -> Standing:
        """The open experiment with this number."""
        return next(item for item in self.standings if item.pull.number == number)


def take(repository: Repository, forge: Forge, settings: Settings, runner_class: str) -> View:
    """Read everything that the next decision depends on.

    `runner_class` is the comparable class of this machine (see `comparable_class`).
    """
    strays = {stray.number: stray.branch_head for stray in forge.sync_heads()}
    base = forge.base()
    kept = reading.read(repository, settings.repository.base)
    entries, audits = kept.entries, kept.audits
    files = allowed_files(repository, base, settings)
    subject = measured_digest(repository, base, settings, files)
    inbox = Inbox(forge)
    reader = StandingReader(
        repository, settings, base, subject, runner_class, entries, strays, inbox
    )
    pulls = forge.pulls(State.OPEN)
    remake_trees(repository, pulls)
    standings = tuple(reader.standing(pull) for pull in pulls)
    past = Past.of(entries, runner_class, {s.pull.number: s.runs for s in standings})
    auditing = AuditReader(forge, entries, audits, runner_class, reader.subject, reader.measurable)
    references = References(past, auditing)
    standings = tuple(with_former_baseline(standing, past) for standing in standings)
    in_phases = [str(s.pull.record.get("phase")) for s in standings]
    phase = phase_standing(settings.programme, entries, kept.marks, in_phases)
    most = settings.caps.max_experiments
    reverting = [pair for s in standings if (pair := reverts_of(s.pull))]
    snapshot = Snapshot(
        base=base,
        subject=subject,
        direction=Direction(settings.metric.direction),
        rules=rules_of(settings),
        baseline=past.honest(subject),
        repeats=past.repeats(subject),
        pairs=past.pairs(),
        experiments_since_baseline=past.since(subject),
        tokens=size_of(files),
        audited=references.audited(subject),
        improved=references.improved(subject),
        audits=auditing.state(settings.audit, reverting),
        phase=phase,
        stopped=_stopped(repository, settings, entries, audits, standings),
        left=None if most is None else max(0, most - len(entries) - len(_counted(standings))),
        open=tuple(standing.experiment for standing in standings),
        requests=inbox.requests([*(s.pull for s in standings), *forge.addressed(PREFIX)]),
        reopened=inbox.reopened(forge.reopened()),
        paused_by=kept.programme.paused_by,
    )
    programme, beside = kept.programme, reader.beside(base)
    return View(snapshot, entries, audits, standings, files, runner_class, programme, beside)


def look(repository: Repository, forge: Forge, settings: Settings) -> View:
    """A snapshot without a runner: in the runner class of the latest measured experiment."""
    entries = reading.read(repository, settings.repository.base).entries
    return take(repository, forge, settings, latest_class(entries))


def _stopped(
    repository: Repository,
    settings: Settings,
    entries: Sequence[LedgerEntry],
    audits: Sequence[AuditEntry],
    standings: Sequence[Standing],
) -> str:
    """Why a cap of bot.toml allows no further proposal; empty if all do."""
    if settings.caps == CapsTable():
        return ""
    try:
        spending.left_under(settings.caps, used(repository, entries, audits, standings))
    except spending.CapReached as reached:
        return str(reached)
    return ""


def used(
    repository: Repository,
    entries: Sequence[LedgerEntry],
    audits: Sequence[AuditEntry],
    standings: Sequence[Standing],
) -> spending.Totals:
    """What the repository's whole history has used up, audits and open experiments included."""
    costs = [Cost.read(standing.pull.record.get("cost")) for standing in _counted(standings)]
    seconds = sum(audit.duration_s for audit in audits)
    seconds += sum(run.duration_s for standing in standings for _, run in standing.runs)
    return spending.totals(repository, entries, costs, more_s=seconds)


def _counted(standings: Sequence[Standing]) -> list[Standing]:
    """Those that count under the caps: what nobody has approved must not stop the programme."""
    return [each for each in standings if each.runs or not each.experiment.footing.unapproved]


def rules_of(settings: Settings) -> Rules:
    """What bot.toml says about verdicts."""
    return Rules(settings.verdict, settings.simplification, settings.guard, settings.audit)
