"""Looks where pull requests are shared, so that a watched page learns what is done there.

Where the steps run on GitHub Actions, nothing in this clone tells of them. So GitHub is looked at
as a step does before it acts (three calls, which cost nothing of its limit where nothing has
changed, and a fetch), at most once in `EVERY_S`, and more seldom while that fails.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.app import Manners
from bot.errors import BotError
from bot.forge.base import ForgeError, State
from bot.git import GitError
from bot.proposing.place import Place
from bot.run.patience import Patience
from bot.text.plain import one_line

EVERY_S = 60.0
MANNERS = Manners(look_holds_s=EVERY_S, longest_wait_s=1.0, adopts=False)
"""A limit of GitHub's is not waited for within a look: the next look comes later instead."""


def shared_at(place: Place) -> str:
    """Where others' work shows that this clone does not have by itself; empty for nowhere."""
    forge = place.settings.forge
    return "GitHub" if forge.kind == "github" else forge.remote


def look_at(place: Place) -> str:
    """Look there once: a name for what it shows.

    The clone's base branch is brought along. Nothing is changed on GitHub; to `forge.remote` goes
    what a person has committed here to an experiment's branch, as with every command.

    Raises BotError, ForgeError, GitError.
    """
    forge = place.forge
    if place.settings.forge.kind == "git":
        forge.sync_heads()  # fetches; what it brings is in this clone's refs then
        return ""
    shown = [
        (
            pull.number,
            pull.title,
            pull.head,
            sorted(pull.labels),
            len(pull.comments),
            [(attempt.id, sorted(attempt.results)) for attempt in pull.attempts],
        )
        for pull in forge.pulls(State.OPEN)
    ]
    return hashlib.sha256(repr((forge.base(), shown)).encode()).hexdigest()[:16]


@dataclass
class Lookout:
    """Looks again and again; `mark` changes when a look showed something new.

    `look` gives a name for what there is, and is called under `lock`: a forge serves one thread.
    `tell` hears of failures, and when they are over.
    """

    where: str
    look: Callable[[], str]
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.time
    mark: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    _looked_at: float | None = None
    _failed: str = ""
    _patience: Patience = field(default_factory=Patience)

    def run(self, wait: Callable[[float], bool | None] = time.sleep) -> None:
        """Look for good. `wait` sleeps so many seconds; where it says True, that is the end."""
        while not wait(self.once()):
            pass

    def once(self) -> float:
        """Look; how many seconds from now the next look may be. Raises nothing that may pass."""
        try:
            with self.lock:
                self.mark = self.look()
        except (BotError, ForgeError, GitError, OSError) as error:
            pause = max(EVERY_S, self._patience.delay_s(error))
            again = _time(self.clock() + pause)
            self._failed = f"{self.where}: {one_line(str(error), 300)} Looking again at {again}."
            self.tell(self._failed)
            return pause
        if self._failed:
            self.tell(f"{self.where} can be looked at again.")
        self._failed, self._looked_at = "", self.clock()
        self._patience.succeeded()
        return EVERY_S

    @property
    def failing(self) -> bool:
        """Whether the latest look failed; nobody else should look then."""
        return bool(self._failed)

    @property
    def told(self) -> str:
        """For people: when it was last looked at, and what is in the way."""
        if self._looked_at is None:
            last = f"{self.where} was not looked at yet."
        else:
            last = f"{self.where} was last looked at {_time(self._looked_at)}."
        return f"{last} {self._failed}".rstrip()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S UTC")
