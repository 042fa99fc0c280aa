"""What tokens cost. The one place with prices; a model that is not here has no known price.

Source: the price list of the interface's public documentation, as read on PRICES_AS_OF. US
dollars for a million tokens, standard service, cache writes of five minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.history.cost import Cost
from bot.proposers.tables import ClaudeTable

PRICES_AS_OF = "2026-10-24"
USD_PER_SEARCH = 0.01  # a page that is fetched costs its tokens only
_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens of each kind.

    Where `long_above` is set, an answer whose whole input has more tokens than that costs
    `long_factor` times as much.
    """

    input: float
    output: float
    cache_write: float
    cache_read: float
    long_above: int | None = None
    long_factor: float = 1.0

    def of(self, usage: Cost) -> Cost:
        """`usage` of one answer with its dollars."""
        whole_input = usage.input_tokens + usage.cache_write_tokens + usage.cache_read_tokens
        tokens = (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_write_tokens * self.cache_write
            + usage.cache_read_tokens * self.cache_read
        )
        usd = tokens * self._factor(whole_input) / _MILLION + usage.web_searches * USD_PER_SEARCH
        return replace(usage, usd=usd, priced=True)

    def at_most(self, input_tokens: int, output_tokens: int, searches: int = 0) -> float:
        """Dollars that an answer cannot exceed with so many tokens."""
        dearest = max(self.input, self.cache_write, self.cache_read)
        tokens = input_tokens * dearest + output_tokens * self.output
        return tokens * self._factor(input_tokens) / _MILLION + searches * USD_PER_SEARCH

    def _factor(self, whole_input: int) -> float:
        is_long = self.long_above is not None and whole_input > self.long_above
        return self.long_factor if is_long else 1.0


_OPUS_4_AND_5 = Price(5, 25, 6.25, 0.50)
_FABLE = Price(10, 50, 12.50, 1.00)
_FABLE_5_1 = Price(10, 50, 12.50, 0.25)
_SONNET_4 = Price(3, 15, 3.75, 0.30)
PRICES: dict[str, Price] = {
    "claude-fable-5-1": _FABLE_5_1,
    "claude-mythos-5-1": _FABLE_5_1,
    "claude-fable-5": _FABLE,
    "claude-mythos-5": _FABLE,
    "claude-opus-5-5": Price(4, 20, 5.00, 0.20),
    "claude-opus-5": _OPUS_4_AND_5,
    "claude-opus-4-8": _OPUS_4_AND_5,
    "claude-opus-4-7": _OPUS_4_AND_5,
    "claude-opus-4-6": _OPUS_4_AND_5,
    "claude-opus-4-5": _OPUS_4_AND_5,
    "claude-opus-4-5-20251101": _OPUS_4_AND_5,
    "claude-sonnet-5-5": Price(2, 10, 2.50, 0.10),
    "claude-sonnet-5": Price(2, 10, 2.50, 0.20),
    "claude-sonnet-4-6": _SONNET_4,
    "claude-sonnet-4-5": _SONNET_4,
    "claude-sonnet-4-5-20250929": _SONNET_4,
    "claude-haiku-5-5": Price(0.10, 0.50, 0.125, 0.01, long_above=100_000, long_factor=5.0),
    "claude-haiku-4-5": Price(1, 5, 1.25, 0.10),
    "claude-haiku-4-5-20251001": Price(1, 5, 1.25, 0.10),
}

WITHOUT_PRICE = frozenset({"claude-fable-5-2", "claude-mythos-5-2", "claude-mythos-preview"})
"""Models that the SDK names and the price list did not have: a cap in dollars asks for a price in
bot.toml, and without one their cost is said to be a lower bound."""


def price_of(model: str, table: ClaudeTable) -> Price | None:
    """The price in bot.toml, else the known one, else None.

    A price in bot.toml is that of `claude.model`; it says nothing about a phase's own model.
    """
    if table.price_input is not None and table.price_output is not None and model == table.model:
        write, read = table.price_cache_write, table.price_cache_read
        return Price(
            input=table.price_input,
            output=table.price_output,
            cache_write=1.25 * table.price_input if write is None else write,
            cache_read=table.price_input if read is None else read,
        )
    return PRICES.get(model)


def priced(usage: Cost, price: Price | None) -> Cost:
    """`usage` of one answer with its dollars; with no known price it says so."""
    if price is None:
        return replace(usage, usd=usage.web_searches * USD_PER_SEARCH, priced=not usage.tokens)
    return price.of(usage)
