"""What proposals cost: tokens of every kind, web requests, and US dollars where they are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Cost:
    """What one or several calls of a model cost. Costs can be added.

    `input_tokens` are those neither written to nor read from a cache. `priced` is False when
    a part of it has no known price, so that `usd` is only a lower bound.
    """

    usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    web_searches: int = 0
    web_fetches: int = 0
    calls: int = 0
    priced: bool = True

    @property
    def tokens(self) -> int:
        """All tokens together, whatever their price."""
        cached = self.cache_write_tokens + self.cache_read_tokens
        return self.input_tokens + self.output_tokens + cached

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            usd=self.usd + other.usd,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            web_searches=self.web_searches + other.web_searches,
            web_fetches=self.web_fetches + other.web_fetches,
            calls=self.calls + other.calls,
            priced=self.priced and other.priced,
        )

    def beyond(self, earlier: Cost) -> Cost:
        """What came on top of an earlier total; never less than nothing."""
        kept = {
            field.name: max(0, getattr(self, field.name) - getattr(earlier, field.name))
            for field in fields(self)
            if field.name != "priced"
        }
        return Cost(**kept, priced=self.priced)

    def __bool__(self) -> bool:
        """Whether anything was spent."""
        return self != Cost()

    def __str__(self) -> str:
        """In words, for example `$0.1234 (8 calls, 12,000 tokens in, 900 out, ...)`."""
        dollars = f"${self.usd:.4f}" + ("" if self.priced else " or more (a price is not known)")
        parts = [
            f"{self.calls:,} calls" if self.calls != 1 else "1 call",
            f"{self.input_tokens:,} tokens in",
            f"{self.cache_write_tokens:,} written to the cache",
            f"{self.cache_read_tokens:,} read from it",
            f"{self.output_tokens:,} out",
        ]
        if self.web_searches or self.web_fetches:
            parts.append(f"{self.web_searches:,} web searches, {self.web_fetches:,} pages fetched")
        return f"{dollars} ({', '.join(parts)})"

    @classmethod
    def read(cls, record: object) -> Cost:
        """A cost from a pull request's record; what is missing or no number counts as nothing.

        A record with a damaged number is not `priced`: it must not pass for cheap.
        """
        if not isinstance(record, Mapping):
            return cls()
        values: dict[str, Any] = {}
        sound = record.get("priced", True) is True
        for field in fields(cls):
            found = record.get(field.name, 0)
            if field.name == "priced":
                continue
            if _is_amount(found):
                values[field.name] = float(found) if field.name == "usd" else int(found)
            else:
                sound = False
        return cls(**values, priced=sound)


def _is_amount(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    )
