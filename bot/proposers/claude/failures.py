"""What can go wrong between us and the model: typed, with words that are safe to show."""

from __future__ import annotations

from enum import StrEnum

from bot.history.cost import Cost


class Trouble(StrEnum):
    """The kinds of failure of one call."""

    OVERLOADED = "overloaded"  # wait and ask again
    RATE_LIMITED = "rate-limited"
    BROKE_OFF = "broke-off"  # the connection failed, or the answer ended in the middle
    SERVER = "server-error"
    TOO_LONG = "context-overflow"  # ask again with less
    BAD_JSON = "invalid-json"  # tell the model
    UNREADABLE = "unreadable-answer"
    REFUSED_KEY = "key-refused"  # a person has to act
    NO_CREDIT = "no-credit"
    NO_SUCH_MODEL = "no-such-model"
    BAD_REQUEST = "request-refused"
    BAD_ADDRESS = "no-such-address"
    NOT_SENT = "not-sent"  # the SDK itself could not make the request


PASSING = frozenset({Trouble.OVERLOADED, Trouble.RATE_LIMITED, Trouble.BROKE_OFF, Trouble.SERVER})
"""Worth waiting for."""
TOLD_TO_MODEL = frozenset({Trouble.BAD_JSON, Trouble.UNREADABLE})
"""The model may do better when it is told."""
OF_A_PERSON = frozenset(
    {Trouble.REFUSED_KEY, Trouble.NO_CREDIT, Trouble.BAD_ADDRESS, Trouble.NOT_SENT}
)
"""A person has to put something right that is no part of the conversation."""
ADVICE = {
    Trouble.OVERLOADED: "The model is overloaded. Run the step again later.",
    Trouble.RATE_LIMITED: "The rate limit of the key is reached. Run the step again later.",
    Trouble.BROKE_OFF: "Check the connection and run the step again.",
    Trouble.SERVER: "The service has a problem. Run the step again later.",
    Trouble.REFUSED_KEY: "Check ANTHROPIC_API_KEY.",
    Trouble.NO_CREDIT: "Add credit to the account of the key.",
    Trouble.NO_SUCH_MODEL: "Check claude.model in bot.toml.",
    Trouble.BAD_REQUEST: "Check the model and the settings in [claude] of bot.toml.",
    Trouble.BAD_ADDRESS: "Check ANTHROPIC_BASE_URL and the proxy variables (HTTPS_PROXY, "
    "ALL_PROXY): unset them, or correct them.",
    Trouble.NOT_SENT: "Check the variables ANTHROPIC_... and those of a proxy (HTTPS_PROXY, "
    "ALL_PROXY), and that the package anthropic is the one of requirements/bot.txt.",
}
"""What a person can do about it."""


class CallFailed(Exception):
    """One call came to nothing. The message is cleaned and redacted; `cost` was spent.

    `wait_s` is how long the server asked to wait, None when it did not say.
    """

    def __init__(
        self, trouble: Trouble, message: str, cost: Cost, wait_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.cost = cost
        self.wait_s = wait_s
