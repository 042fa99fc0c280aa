"""Asking proposers: what for, how many at once, and what becomes of their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from bot.actions import Action
from bot.errors import BotError
from bot.forge.base import ForgeError
from bot.git import Identity
from bot.history import spending
from bot.history.spending import CapReached
from bot.proposers.base import NothingToPropose
from bot.proposing import conversations
from bot.proposing.adopting import Orphan, orphans
from bot.proposing.place import BOT, Place
from bot.proposing.propose import Drafting, NoProposal
from bot.proposing.revise import Revising
from bot.run import plan
from bot.run.drafts import Draft, Drafts
from bot.run.teller import Teller
from bot.run.troubles import Troubles
from bot.snapshot import View


@dataclass
class Asking:
    """Asks for what was decided on, each under the next number of `jobs`.

    `now` gives seconds since 1970.
    """

    place: Place
    drafts: Drafts
    troubles: Troubles
    teller: Teller
    jobs: Iterator[int]
    now: Callable[[], int]
    _orphans: list[Orphan] | None = None  # those that are to be adopted yet; None: not looked up

    def adopt(self, view: View) -> None:
        """Open what a process before this one was killed with: it is paid for.

        As many as `caps.max_experiments` allows; the others wait, for the next process if need be.
        """
        left = view.snapshot.left
        if left == 0:
            return
        if self._orphans is None:  # once: what is kept from now on is this process's own
            self._orphans = orphans(self.place, view, self.now)
        while self._orphans and (left is None or self.drafts.count < left):
            self.drafts.arrive(*self._orphans.pop(0))

    def ask(self, actions: tuple[Action, ...], view: View) -> None:
        """Ask for revisions and for new experiments."""
        drafts = self._to_ask(actions)
        if drafts:
            for words in conversations.tidy(
                self.place, view.snapshot.base, {one.pull.number for one in view.standings}
            ):
                self.teller.say(words)
            self.teller.thinking(len(drafts))
            self._share()
        for draft in drafts:
            try:
                self.drafts.ask(next(self.jobs), view, draft)
            except CapReached as reached:
                if isinstance(draft, Revising):
                    draft.give_up(view, reached)
                else:
                    self.troubles.close(reached)
                    break

    def take_answer(self, view: View) -> None:
        """Carry out the answer that came first. Raises what the forge raises."""
        try:
            words = self.drafts.carry_out(view)
        except NoProposal as none:
            self.troubles.of_proposer(none)
        except (NothingToPropose, BotError) as error:
            self.troubles.close(error)
        else:
            if words:
                self.troubles.proposers_are_well()
                self.teller.say(words)

    def _share(self) -> None:
        """Learn what other clones have spent meanwhile, where a cap counts that."""
        caps = self.place.settings.caps
        if caps.max_usd is None and caps.max_tokens is None:
            return
        who = Identity(BOT.name, BOT.id)
        with suppress(ForgeError):  # then what is known has to do
            spending.share(self.place.repository, self.place.forge.own_refs, who, self.now())

    def _to_ask(self, actions: tuple[Action, ...]) -> list[Draft]:
        """What to ask for now: all at once, for they spend from one account."""
        drafts: list[Draft] = []
        for action in plan.to_revise(actions, self.drafts.revising):
            drafts.append(Revising(self.place, action, self.now))
        if not self.troubles.no_proposals:
            drafts += self.drafts.again()
            drafts += [Drafting(self.place, self.now) for _ in range(plan.to_propose(actions))]
        return drafts
