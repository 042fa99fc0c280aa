"""One step on a laptop: act until one experiment has its verdict.

snapshot -> decide -> carry out -> snapshot again, by the same scheduler as `bot run`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bot.actions import Action
from bot.audits.plan import BeginAudit, due
from bot.checkout import check_checkout
from bot.decide import Room, audit_action
from bot.errors import BotError
from bot.git import Identity
from bot.history import spending
from bot.lock import only_one
from bot.notify.send import watching
from bot.proposing.place import BOT, Place
from bot.run import heartbeat
from bot.run.base import Concluded, Mailbox, Measurer, Proposers
from bot.run.scheduler import Choose, Outcome, Scheduler, everything
from bot.run.teller import Teller
from bot.run.terms import STEP, Terms
from bot.snapshot import View


@dataclass(frozen=True)
class Stepper:
    """Everything that working on a repository needs, made once by the command line."""

    place: Place
    measurer: Measurer
    proposers: Proposers
    mailbox: Mailbox
    teller: Teller

    def step(self) -> Concluded:
        """Go on from whatever state the last step left until one experiment has its verdict.

        Raises:
            BotError, GitError, ForgeError: with a message that says what to do.
        """
        outcome = self.go_on(STEP)
        if not outcome.concluded:
            raise BotError("The step ended without a verdict. Run it again.")
        return outcome.concluded[-1]

    def audit(self, last: int | None = None) -> None:
        """Measure winners again until the ledger and, where one fell, a revert tell of it.

        A session that was interrupted is finished, and no other is begun then. `last` is how
        many of the latest winners; without it, what bot.toml says. Raises what `step` raises.
        """
        begun = False

        def choose(view: View, room: Room) -> tuple[Action, ...]:
            del room
            nonlocal begun
            state = view.snapshot.audits
            begun = begun or bool(state.open)
            action = audit_action(view.snapshot)
            if action is None or isinstance(action, BeginAudit):
                numbers = due(state, last or state.rule.last)
                action = None if begun or not numbers else BeginAudit(numbers)
            return (action,) if action else ()

        self.go_on(Terms(), choose)

    def go_on(self, terms: Terms, choose: Choose = everything) -> Outcome:
        """Work on these terms. Raises what `step` raises."""
        self.place.repository.identity()  # asks for a name now, not after minutes of training
        settings, folder = self.place.settings, self.place.repository.path
        with only_one(self.place.repository), watching(settings, folder):
            self.place.forge.recover()  # first: what a crash has left behind looks like edits
            heartbeat.tidy(self.place.repository)
            bot = Identity(BOT.name, BOT.id)
            spending.share(self.place.repository, self.place.forge.own_refs, bot, int(time.time()))
            note = check_checkout(self.place)
            if note:
                self.teller.say(note)
            scheduler = Scheduler(
                self.place,
                self.measurer,
                self.proposers,
                self.mailbox,
                self.teller,
                terms,
                choose,
            )
            return scheduler.run()
