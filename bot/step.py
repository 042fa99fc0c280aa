"""One step on a laptop: act until one experiment has its verdict.

snapshot -> decide -> carry out -> snapshot again, by the same scheduler as `bot run`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.audits.plan import BeginAudit, due
from bot.checkout import check_checkout
from bot.decide import Action, Room, audit_action
from bot.errors import AlreadyRunning, BotError
from bot.git import Identity, Repository
from bot.history import spending
from bot.notify.send import watching
from bot.proposing.place import BOT, Place
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
            bot = Identity(BOT.name, BOT.id)
            spending.share(self.place.repository, self.place.forge, bot, int(time.time()))
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


_LOCK = "mergelab.lock"
_LOOKS = 4


def at_work(repository: Repository) -> bool:
    """Whether a process is carrying out a step in this clone now."""
    try:
        descriptor = os.open(repository.common_folder() / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    for again in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if again < _LOOKS - 1:
                time.sleep(0.05)  # somebody may only be looking, see `at_work`
    raise AlreadyRunning(
        "Another `python -m bot` is carrying out a step in this clone. Wait for it, or "
        "stop it with Ctrl-C; nothing it has done so far is lost."
    )


@contextmanager
def only_one(repository: Repository) -> Iterator[None]:
    """Hold this clone's lock: saves two bots double work; the forge's transactions guard truth.

    Raises:
        AlreadyRunning: another process holds it.
    """
    folder = repository.common_folder()
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor)
        yield
    finally:
        os.close(descriptor)
