"""The proposer `command`: any coding agent's command line, run inside the sandbox.

The agent works on a scratch copy in a sandbox of its own: it sees the files that it may edit,
the task, the history as files, and its own program, read-only. It has the network only if
bot.toml grants it, and of the environment only the variables named there. What is read back
are the allowed files and `hypothesis.json`, through the same review as any proposal.

It cannot be told beforehand what its edit will be like. So an edit that is much like an earlier
experiment is handed back to it once, with that experiment's outcome.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.errors import BotError
from bot.history.cost import Cost
from bot.history.fingerprint import Near
from bot.model import Hypothesis, Proposal
from bot.proposers.account import Account, Accounts, Left
from bot.proposers.assignment import Edit, assignment
from bot.proposers.base import Context, NothingToPropose, ProposalFailed
from bot.proposers.review import VERY_NEAR, review, too_much_believed
from bot.proposers.scratch import (
    HYPOTHESIS,
    Stated,
    Unusable,
    allowed_files,
    lay_out,
    script,
    stated,
)
from bot.proposers.tables import CommandTable
from bot.text.hygiene import Fence, Secrets, clean, name
from runner.errors import SandboxUnavailable
from runner.sandbox.base import Ended, Job, Limits, Mount, Outcome, Sandbox
from runner.text import clean_line, clean_text

_PROCESSES = 512
_SCRATCH = 1 << 30


@dataclass(frozen=True)
class _Made:
    """What one run of the agent came to, and the earlier experiments that its edit is like."""

    proposal: Proposal
    edit: Edit
    near: tuple[Near, ...]


class CommandNotReady(BotError):
    """The command line cannot be run as bot.toml has it."""


def _silent(words: str) -> None:
    del words


def _bubblewrap() -> Sandbox:
    from runner.sandbox.choose import choose

    # Not Docker: its image has the candidates' interpreter and nothing that an agent needs.
    return choose("bubblewrap")


class CommandProposer:
    """Proposes what a coding agent's command line left in its scratch folder."""

    name = "command"

    def __init__(
        self,
        table: CommandTable,
        *,
        progress: Callable[[str], None] = _silent,
        sandbox: Callable[[], Sandbox] = _bubblewrap,
    ) -> None:
        self._table = table
        self._progress = progress
        self._sandbox = sandbox
        self._secrets = Secrets.of(os.environ, also=table.credentials)
        self._fence = Fence.new(self._secrets)
        self.spent = Cost()

    def propose(self, context: Context) -> Proposal:
        """One new proposal of the agent.

        Raises:
            CommandNotReady: a person has to put something right; nothing was run.
            NothingToPropose: there is no file to edit.
            ProposalFailed: it came to nothing.
        """
        self.spent = Cost()
        if not context.files:
            raise NothingToPropose("there is none of the files that bot.toml allows to change")
        problem = self.problem(context)
        if problem:
            raise CommandNotReady(problem)
        price = self._table.usd_per_proposal or 0.0
        account = context.account or Accounts().open(lambda: context.left)
        if not account.reserve(partial(_affords, price)):
            raise ProposalFailed(
                f"${price:.2f} for a proposal is more than is left of caps.max_usd",
                self.spent,
                capped=True,
            )
        made = self._ask(context, account, self.task(context))
        very_near = any(one.similarity >= VERY_NEAR for one in made.near)
        # Where the money does not suffice, what is paid for is taken: it is no exact repeat.
        if very_near and account.reserve(partial(_affords, price)):
            self._progress("shown what its edit is like")
            files = assignment(context, self._fence, made.edit, made.near)
            made = self._ask(context, account, files)
        return made.proposal

    def _ask(self, context: Context, account: Account, files: Mapping[str, bytes]) -> _Made:
        """One run of the agent on these files, which is paid for by what is reserved."""
        price, spent = self._table.usd_per_proposal, self.spent
        try:
            with tempfile.TemporaryDirectory(prefix="mergelab-agent-") as made:
                place = Path(made)
                place.chmod(0o755)  # the job may be another user
                lay_out(place / "task", files)
                self.spent += Cost(usd=price or 0.0, calls=1, priced=price is not None)
                try:
                    outcome = self._run(place, context)
                except CommandNotReady:
                    self.spent = spent  # nothing was run
                    raise
                return self._read_back(place / "out", outcome, context)
        finally:
            account.settle(self.spent.beyond(spent))

    def problem(self, context: Context) -> str:
        """What keeps the command line from being run, empty if nothing does."""
        table = self._table
        if not table.argv:
            return "command.argv is empty. Give the agent's command line (see docs/proposers.md)."
        missing = [one for one in table.credentials if not os.environ.get(one)]
        if missing:
            return (
                f"command.credentials names {', '.join(missing)}, which the environment does not "
                "have. Set it, or take it off the list."
            )
        for program in table.programs:
            path = Path(program)
            if not path.exists():
                return f"command.programs: {program} does not exist. Correct the path."
            for shown, what in ((Path.cwd(), "this repository"), (Path.home(), "your home folder")):
                if shown.is_relative_to(path):
                    return f"command.programs: {program} would show {what} to the agent. Name less."
        if context.left.usd is not None and table.usd_per_proposal is None:
            return (
                "caps.max_usd is set, and what the agent costs cannot be seen. Set "
                "command.usd_per_proposal to what one run costs at most."
            )
        if context.left.tokens is not None:
            return (
                "caps.max_tokens is set, and the tokens of the agent cannot be seen. Take it out, "
                "and use caps.max_usd with command.usd_per_proposal."
            )
        return ""

    def task(self, context: Context) -> dict[str, bytes]:
        """The files of the scratch folder, by name: what the agent is told and may edit."""
        return assignment(context, self._fence)

    def _run(self, place: Path, context: Context) -> Outcome:
        rules, table = context.allowed, self._table
        environment = dict(one.split("=", 1) for one in table.variables)
        environment |= {one: os.environ[one] for one in table.credentials}
        job = Job(
            argv=("/bin/sh", "-c", script(rules.paths), "agent", *table.argv),
            limits=Limits(
                wall_s=table.timeout_s,
                memory_bytes=int(table.memory_gb * 1024**3),
                processes=_PROCESSES,
                output_bytes=rules.max_bytes * len(rules.paths) + (1 << 20),
                output_files=10 * len(rules.paths) + 10,
                scratch_bytes=_SCRATCH,
                log_bytes=64 << 10,
            ),
            environment=environment,
            mounts=(
                Mount(place / "task", "/task"),
                *(Mount(Path(program), program) for program in table.programs),
            ),
            working_directory="/task",
            network=table.network,
        )
        try:
            return self._sandbox().run(job, place / "out", self._show)
        except (SandboxUnavailable, ValueError) as error:
            raise CommandNotReady(f"The agent cannot be run: {error}") from None

    def _show(self, output: bytes) -> None:
        line = self._last_line(output, 120)
        if line:
            self._progress(line)

    def _last_line(self, output: bytes, limit: int) -> str:
        """The last line that the agent printed. Half a credential at the cut would be no secret
        that anybody knows: it is taken out of the whole first."""
        whole = self._secrets.redact(clean_text(output, 4 * len(output) + 1))
        return self._secrets.redact(clean_line(whole.encode(), limit))

    def _read_back(self, folder: Path, outcome: Outcome, context: Context) -> _Made:
        said = name(self._last_line(outcome.log_tail, 200), 200)
        if outcome.ended is not Ended.EXITED:
            raise self._failed(f"the agent ended as {outcome.ended} {outcome.note}".strip(), said)
        if outcome.exit_code != 0:
            code = outcome.exit_code if outcome.signal is None else f"signal {outcome.signal}"
            raise self._failed(f"the agent ended with {code}", said)
        files = {**context.files, **allowed_files(folder, context.allowed)}
        found = review(files, context)
        if not found.fine:
            problems = self._secrets.redact("; ".join(found.problems))
            raise self._failed(f"what the agent left cannot be proposed: {problems}", "")
        changed = {path: data for path, data in files.items() if context.files.get(path) != data}
        told, hypothesis = self._stated(folder)
        notes = self._plain(told.notes, 20_000)
        if too_much := too_much_believed(notes, context):
            raise self._failed(too_much, "")
        for path, data in changed.items():
            if self._secrets.found_in(data.decode("utf-8", errors="replace")):
                raise self._failed(f"{path} holds what looks like a credential", "")
        proposal = Proposal(
            hypothesis=hypothesis,
            files=changed,
            proposer=self.name,
            cost=self.spent,
            notes=notes,
        )
        return _Made(proposal, Edit(changed, told), found.near)

    def _stated(self, folder: Path) -> tuple[Stated, Hypothesis]:
        try:
            said = stated(folder)
        except Unusable as reason:
            raise self._failed(str(reason), "") from None
        title = name(self._plain(said.title), 150)
        rationale = self._plain(said.rationale)
        if not title or not rationale:
            raise self._failed(f"{HYPOTHESIS} says nothing", "")
        return said, Hypothesis(
            title,
            rationale,
            falsified_by=self._plain(said.falsified_by),
            expected=self._plain(said.expected),
        )

    def _plain(self, text: str, limit: int = 4_000) -> str:
        return self._secrets.redact(clean(text)).strip()[:limit]

    def _failed(self, reason: str, said: str) -> ProposalFailed:
        return ProposalFailed(f"{reason}; its last words: {said}" if said else reason, self.spent)


def _affords(price: float, left: Left) -> tuple[bool, Left] | None:
    """Whether one run fits into what is left, and what it costs at most."""
    return None if left.usd is not None and price > left.usd else (True, Left(price, 0))
