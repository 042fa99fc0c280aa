"""Carries out decisions about experiments: what is run, what came of it, how it ends.

Measuring takes long and is done elsewhere: `begin` and `go_on` say what is to be run,
`keep` takes each result.

Every function here can be killed at any instant: what it leaves behind is found by the next
snapshot. What must not be half done is one transaction of the forge.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.actions import AskPerson, BeginPhase, Conclude, Measure, Resume
from bot.candidate import measured_digest
from bot.errors import BaselineFails, BotError, RunnerChanged
from bot.forge.base import Attempt, Forge, PlannedRun, State
from bot.git import Identity, Repository
from bot.history import beliefs, ledger, ledger_message, scratchpad, spending
from bot.history.multiplicity import Multiplicity
from bot.history.reduce import class_of, foreign
from bot.history.scratchpad import Bounds
from bot.model import Direction, Side, Verdict
from bot.notify.notice import Notice, of_merge
from bot.notify.send import name_of, send
from bot.notify.tables import NotifyTable
from bot.people.record import is_own
from bot.phases.begin import begin
from bot.phases.marks import PhaseMark
from bot.proposing.place import BOT, PHASE
from bot.report import committed
from bot.run.base import Order
from bot.settings import Settings
from bot.snapshot import View
from bot.standing import NEEDS_HUMAN, Standing, reverts_of
from bot.verdict.drift import drift
from bot.views import texts
from bot.views.trend import trend
from runner.result import Measurement, Status


@dataclass(frozen=True)
class Executor:
    """What carrying out needs. `now` gives seconds since 1970, `seed` a fresh random seed."""

    repository: Repository
    forge: Forge
    settings: Settings
    now: Callable[[], int]
    seed: Callable[[], int] = lambda: secrets.randbelow(2**31)
    notify: Callable[[Notice, NotifyTable], None] = send

    def begin(self, action: Measure, view: View) -> Order:
        """Write a new attempt down, before anything of it is run."""
        standing = view.standing(action.number)
        if standing.merge_tree is None:
            raise BotError(f"Experiment #{action.number} has no merge tree; run the step again.")
        attempt = Attempt(
            id=f"{action.number}.{len(standing.pull.attempts) + 1}",
            base=view.snapshot.base,
            head=standing.pull.head,
            merge_tree=standing.merge_tree,
            runs=self._plan(action, view, standing),
            results={},
            created_at=self.now(),
        )
        self.forge.start(action.number, attempt)
        return _order(action.number, attempt)

    def go_on(self, action: Resume, view: View) -> Order:
        """The missing runs of an attempt that was interrupted."""
        attempts = view.standing(action.number).pull.attempts
        return _order(action.number, next(one for one in attempts if one.id == action.attempt))

    def conclude(self, action: Conclude, view: View) -> None:
        """Merge or close: one ledger commit, one transaction, then the check for people."""
        standing = view.standing(action.number)
        verdict = action.verdict
        base = view.snapshot.base
        # What a person merged with git is on the base branch already.
        merges = verdict.merged and not standing.experiment.merged_by_hand
        tree = standing.merge_tree if merges else self.repository.tree(base)
        if tree is None:
            raise BotError(f"Experiment #{action.number} has no merge tree; run the step again.")
        message = ledger_message.message(self._facts(standing, view), verdict)
        when = self.now()
        entry = replace(ledger.entry_of(message), committed_at=when)
        drawn = committed.files(self.settings, [*view.entries, entry], view.audits)
        kept = {self.settings.scratchpad.path: self._scratchpad(view, standing, entry), **drawn}
        tree = self.repository.tree_with(tree, kept)
        parents = [base]
        if verdict.merged and not self.repository.is_ancestor(standing.pull.head, base):
            parents.append(standing.pull.head)
        if merges:
            self._check_touches_only(base, tree)
        author = Identity(BOT.name, BOT.id)
        commit = self.repository.commit_tree(tree, parents, message, author, when)
        told = texts.Told(
            metric=self.settings.metric_shown,
            self_reported=self.settings.self_reported,
            verdict=verdict,
            runs=standing.runs,
            guards=action.guards,
            multiplicity=multiplicity(view, verdict, self.settings),
            drift=drift(view.snapshot.baseline),
            trend=trend(self.settings.metric_shown, [*view.entries, entry], view.runner_class),
        )
        comment = texts.closing_comment(told)
        self._post_check(standing, told)
        head = standing.pull.head
        if verdict.merged:
            self.forge.merge(
                action.number, head=head, base=base, commit=commit, verdict=verdict, comment=comment
            )
            self._tell(standing, verdict, when)
        else:
            self.forge.close(
                action.number, head=head, base=base, commit=commit, verdict=verdict, comment=comment
            )

    def _tell(self, standing: Standing, verdict: Verdict, when: int) -> None:
        """A notice of a merge to people elsewhere, where bot.toml wants one."""
        pull, settings = standing.pull, self.settings
        notice = of_merge(
            pull.number,
            pull.title,
            verdict,
            repository=name_of(settings, self.repository.path),
            metric=settings.metric_shown,
            time=when,
        )
        self.notify(notice, settings.notify)

    def begin_phase(self, action: BeginPhase, view: View) -> None:
        """Write down in the ledger that the next phase begins."""
        author = Identity(BOT.name, BOT.id)
        mark = PhaseMark(action.name, BOT.name, action.why, len(view.entries))
        base, when = view.snapshot.base, self.now()
        begin(self.repository, self.forge, self.settings, mark, base=base, author=author, when=when)

    def ask_person(self, action: AskPerson, view: View) -> None:
        """Say of a revert that conflicts what a person can do, and label it.

        The label comes last: it is what tells later that a person was asked.
        """
        standing = view.standing(action.number)
        pull = standing.pull
        paths = ", ".join(f"`{path}`" for path in standing.experiment.conflicts[:5])
        words = texts.conflict_comment(pull, paths)
        own = (one for one in pull.comments if is_own(one.author, self.forge.bot))
        if not any(one.body.strip() == words.strip() for one in own):
            self.forge.comment(action.number, BOT, words)
        self.forge.set_labels(action.number, pull.labels | {NEEDS_HUMAN})

    def _post_check(self, standing: Standing, told: texts.Told) -> None:
        attempts = standing.pull.attempts
        latest = attempts[-1].id if attempts else f"{standing.pull.number}.0"
        check = texts.check(latest, standing.pull.head, told)
        # An interrupted conclusion may have made it already, or another one that holds no more.
        if standing.pull.checks[-1:] != (check,):
            self.forge.post(standing.pull.number, check)

    def _check_touches_only(self, base: str, tree: str) -> None:
        """The last lock before a merge: only allowed files change, and what the bot keeps."""
        allowed = {*self.settings.candidate.paths, *self.settings.written_by_bot}
        other = set(self.repository.changed_paths(base, tree)) - allowed
        if other:
            raise BotError(
                f"A merge would also change {', '.join(sorted(other))}, so nothing was merged. "
                "This is a defect of the bot; please report it."
            )

    def _plan(self, action: Measure, view: View, standing: Standing) -> tuple[PlannedRun, ...]:
        """Interleave the two sides, baseline first, on shared seeds that were never used here."""
        used = {run.seed for _, run in standing.runs}
        used |= {run.seed for run in view.snapshot.baseline}
        base_tree = self.repository.tree(view.snapshot.base)
        planned = []
        for index in range(max(action.candidate_runs, action.baseline_runs)):
            seed = self._fresh_seed(used)
            if index < action.baseline_runs:
                planned.append(PlannedRun(Side.BASELINE, base_tree, seed, action.purpose))
            if index < action.candidate_runs:
                tree = str(standing.merge_tree)
                planned.append(PlannedRun(Side.CANDIDATE, tree, seed, action.purpose))
        return tuple(planned)

    def _fresh_seed(self, used: set[int]) -> int:
        while (seed := self.seed()) in used:
            pass
        used.add(seed)
        return seed

    def keep(self, order: Order, index: int, result: Mapping[str, Any], runner_class: str) -> None:
        """Take the result of one run of an attempt.

        Raises:
            RunnerChanged: it was kept, but was made in another class than `runner_class`.
            Conflict: there is a result already; another bot has measured the same.
            BotError: it is none of this attempt's, and was not kept.
        """
        if order.number is None:
            raise ValueError("the results of audits are taken by bot.audits.execute")
        planned = dict(order.runs)[index]
        measurement = Measurement.model_validate(result)
        subject = measured_digest(self.repository, planned.tree, self.settings)
        if why := foreign(planned, measurement, subject):
            raise BotError(
                f"Result {index + 1} of attempt {order.attempt} is refused: {why}. Nothing of "
                "it was recorded. Run the step again; if it comes back, look at who else "
                "runs the runner here."
            )
        self.forge.record(order.number, order.attempt, index, result)
        measured = class_of(measurement)
        if measured != runner_class:
            raise RunnerChanged(
                f"A run came back from runner class {measured}, expected {runner_class}: "
                "the machine, bot.toml or the runner's own files changed in the meantime. "
                "The result is kept but counts for nothing here; run the step again."
            )

    def check_baseline_works(self, order: Order) -> None:
        """Stop for a person where the baseline itself fails: no candidate can be compared.

        An audit compares none. Raises BaselineFails.
        """
        if order.number is None:
            return
        pulls = self.forge.pulls(State.OPEN)  # the next look asks the same
        pull = next((each for each in pulls if each.number == order.number), None)
        attempts = (pull or self.forge.pull(order.number)).attempts
        attempt = next((item for item in attempts if item.id == order.attempt), None)
        if attempt is None:
            return  # the forge gave an older list: this shows at the next attempt
        results = [
            attempt.results[index]
            for index, run in enumerate(attempt.runs)
            if run.side is Side.BASELINE and index in attempt.results
        ]
        if results and all(result.get("status") != Status.OK for result in results):
            last = results[-1]
            raise BaselineFails(
                f"The baseline itself ended as {last.get('status')}: "
                f"{last.get('message') or 'no message'}. "
                f"Nothing can be compared with it. Mend the files on the base branch, or the "
                f"machine, and run the step again; #{order.number} waits."
            )

    def _facts(self, standing: Standing, view: View) -> ledger_message.Facts:
        record = standing.pull.record
        cost = record.get("cost", {})
        usd = float(cost.get("usd", 0.0)) if isinstance(cost, Mapping) else 0.0
        usd += spending.revising(self.repository, standing.pull.number)
        return ledger_message.Facts(
            number=standing.pull.number,
            title=standing.pull.title,
            phase=str(record.get("phase", PHASE)),
            proposer=str(record.get("proposer", standing.pull.author.name)),
            metric=self.settings.metric.name,
            self_reported=self.settings.self_reported,
            direction=Direction(self.settings.metric.direction),
            head=standing.pull.head,
            runs=standing.runs,
            cost_usd=usd,
            fork=self.repository.merge_base(view.snapshot.base, standing.pull.head) or "",
            fingerprint=_judged(standing),
            reverts=reverts_of(standing.pull),
        )

    def _scratchpad(self, view: View, standing: Standing, entry: ledger.LedgerEntry) -> bytes:
        settings = self.settings.scratchpad
        old = self.repository.read_file(view.snapshot.base, settings.path) or b""
        bounds = Bounds(settings.recent, settings.table)
        entries = [*view.entries, entry]
        text = scratchpad.read(old)
        changed = beliefs.Change.read(standing.pull.record.get("beliefs"))
        believed = beliefs.after(beliefs.of(text), changed, settings.beliefs)
        if changed:
            text = beliefs.write(text, believed)
        return scratchpad.write(scratchpad.with_entries(text, entries, bounds))


def _judged(standing: Standing) -> str:
    """The mark of the code that a verdict is about; what was overtaken may be tried again."""
    return "" if standing.experiment.overtaken else standing.fingerprint


def _order(number: int, attempt: Attempt) -> Order:
    missing = [(i, run) for i, run in enumerate(attempt.runs) if i not in attempt.results]
    return Order(attempt.id, number, tuple(missing), len(attempt.runs), attempt.head)


def multiplicity(view: View, verdict: Verdict, settings: Settings) -> Multiplicity:
    """How many experiments were tested, this verdict included."""
    reasons = [entry.reason for entry in view.entries]
    return Multiplicity.of([*reasons, verdict.reason], settings.verdict.alpha)
