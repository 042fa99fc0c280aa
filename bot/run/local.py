"""On this machine: the real clock, a queue to wait at, and proposers in threads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.proposers.base import Context, Proposer
from bot.proposing.asking import ask, spent_by
from bot.proposing.place import Place
from bot.run.base import Answered, Message, Post


class LocalMailbox:
    """The real clock and a queue (`bot.run.base.Mailbox`)."""

    def __init__(self) -> None:
        # This kind may be written to from a signal's handler.
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def post(self, message: Message) -> None:
        """Leave a message."""
        self._queue.put(message)

    def wait(self, until: float | None) -> Message | None:
        """The next message; None when it is `until` first."""
        timeout = (
            None if until is None else max(0.0, min(until - time.time(), threading.TIMEOUT_MAX))
        )
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None


@dataclass
class HereAndNow:
    """Asks in the scheduler's own thread: nothing else goes on meanwhile.

    For `bot step`: an interrupt reaches the proposer itself, which tidies up.
    """

    place: Place
    make: Callable[[str], Proposer]

    def start(self, job: int, name: str, told: Context, post: Post) -> _Draft:
        """Ask, and post the answer before returning."""
        draft = _Draft(self.place, self.make)
        draft.run(job, name, told, post)
        return draft


@dataclass
class InThreads:
    """Asks each in a thread of its own (`bot.run.base.Proposers`)."""

    place: Place
    make: Callable[[str], Proposer]

    def start(self, job: int, name: str, told: Context, post: Post) -> _Draft:
        """Begin to ask; the answer is posted."""
        draft = _Draft(self.place, self.make)
        arguments = (job, name, told, post)
        threading.Thread(target=draft.run, args=arguments, name="proposing", daemon=True).start()
        return draft


@dataclass
class _Draft:
    place: Place
    make: Callable[[str], Proposer]
    _proposer: Proposer | None = None
    _told: Context | None = None
    _over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, job: int, name: str, told: Context, post: Post) -> None:
        self._told = told
        try:
            proposer = self._proposer = self.make(name)
            proposal = ask(self.place, proposer, told, int(time.time()))
            answer = Answered(job, proposal)
        except Exception as error:
            answer = Answered(job, error=error)
        with self._lock:
            self._over = True
        post(answer)

    def finish(self) -> None:
        """There is nothing after it."""

    def stop(self) -> None:
        """Give it up: nobody waits for the answer, and what it has cost by now is written down.

        Its thread ends with the process, and whatever it has started ends with its thread.
        """
        with self._lock:
            if self._over:
                return
            self._over = True
        cost = spent_by(self._proposer)
        account = self._told.account if self._told else None
        if account is not None:
            account.conclude(cost, account.give_up)  # its thread is not waited for
