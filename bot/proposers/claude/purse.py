"""What one proposal may still spend: every call's worst case is covered before it is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.history.cost import Cost
from bot.proposers.account import Account, Left
from bot.proposers.base import ProposalFailed
from bot.proposers.claude.pricing import Price, priced
from bot.proposers.claude.prompt import Request, estimate

LEAST_OUTPUT = 1_024
"""With less room than this an answer is not asked for."""
_SAFETY = 1.5  # what an estimate from the length is multiplied with to be on the safe side
_PAGE_TOKENS = 20_000  # what one use of a web tool can add to the input


@dataclass
class Purse:
    """Counts what is spent and says how long the next answer may be."""

    price: Price | None
    account: Account  # what all proposals together may still spend
    most_tokens: int  # for this proposal
    spent: Cost = field(default_factory=Cost)
    known_input: int = 0  # tokens of a request so far, as the interface counted them
    known_estimate: int = 0  # the estimate for the same request
    _unsettled: Cost = field(default_factory=Cost)

    def add(self, usage: Cost, request: Request | None = None) -> None:
        """Count the usage of one answer to `request`; `settle` comes next."""
        cost = priced(usage, self.price)
        self.spent += cost
        self._unsettled += cost
        if request is not None and usage.tokens:
            self.known_input = usage.tokens - usage.output_tokens
            self.known_estimate = request.estimate()

    def settle(self) -> None:
        """Have what was counted written down; nothing is reserved for it any more."""
        cost, self._unsettled = self._unsettled, Cost()
        self.account.settle(cost)

    def forget(self) -> None:
        """The conversation starts anew: what was known of its length no longer holds."""
        self.known_input = self.known_estimate = 0

    def room(self, request: Request, web_uses: int = 0) -> int:
        """The most output tokens that the next answer may have, at most `request.max_tokens`.

        Raises:
            ProposalFailed: a cap would be passed, or this proposal's own limit.
        """
        inputs = self._input_bound(request) + web_uses * _PAGE_TOKENS
        # With web tools the server goes through the conversation once for each use.
        inputs *= 1 + web_uses
        own = self.most_tokens - self.spent.tokens - inputs
        if own < LEAST_OUTPUT:
            raise ProposalFailed(
                f"the limit of {self.most_tokens:,} tokens for one proposal "
                f"(claude.max_proposal_tokens) is reached",
                self.spent,
                again=False,
            )

        def fit(left: Left) -> tuple[int, Left] | None:
            room = min(request.max_tokens, own, *self._under_caps(left, inputs, web_uses))
            if room < LEAST_OUTPUT:
                return None
            usd = self.price.at_most(inputs, room, web_uses) if self.price else 0.0
            return room, Left(usd, inputs + room)

        found = self.account.reserve(fit)
        if found is None:
            raise ProposalFailed(
                "the next answer could pass a cap of bot.toml "
                f"({_caps(self.account.left)}); {self.spent} spent on this proposal",
                self.spent,
                capped=True,
            )
        return found

    def _under_caps(self, left: Left, inputs: int, web_uses: int) -> list[int]:
        limits = []
        if left.tokens is not None:
            limits.append(left.tokens - inputs)
        if left.usd is not None and self.price is not None:
            money = left.usd - self.price.at_most(inputs, 0, web_uses)
            # The dearest band: a long input makes the output dearer, too.
            dearest = self.price.at_most(inputs, 1_000_000) - self.price.at_most(inputs, 0)
            limits.append(int(money / dearest * 1_000_000) if dearest > 0 else LEAST_OUTPUT)
        return limits

    def _input_bound(self, request: Request) -> int:
        guess = estimate(request.system, request.tools, request.messages)
        new = max(0, guess - self.known_estimate)
        return self.known_input + round(_SAFETY * new)


def _caps(left: Left) -> str:
    caps = []
    if left.usd is not None:
        caps.append(f"${max(0.0, left.usd):.4f} left of caps.max_usd")
    if left.tokens is not None:
        caps.append(f"{max(0, left.tokens):,} tokens left of caps.max_tokens")
    return ", ".join(caps)
