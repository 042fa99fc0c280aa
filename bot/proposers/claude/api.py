"""The only module that talks to the Messages API, through the `anthropic` SDK, streaming.

The key comes from ANTHROPIC_API_KEY and goes nowhere but into the SDK. What leaves this module
is plain data and `CallFailed`, whose words are cleaned and redacted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cached_property

import anthropic
import httpx2

from bot.history.cost import Cost
from bot.proposers.claude.failures import CallFailed, Trouble
from bot.proposers.claude.prompt import Request
from bot.proposers.claude.reading import Answer, BrokeOff, Reading
from bot.text.hygiene import Secrets, clean, name

_RETRIES = 2  # of the SDK, before an answer has begun
_LONGEST_WAIT_S = 60.0
_CHARACTERS_PER_TOKEN = 8
"""No answer can be longer than this many characters for each token that it may have."""

_BY_STATUS = {
    400: Trouble.BAD_REQUEST,
    401: Trouble.REFUSED_KEY,
    402: Trouble.NO_CREDIT,
    403: Trouble.REFUSED_KEY,
    404: Trouble.NO_SUCH_MODEL,
    413: Trouble.TOO_LONG,
    429: Trouble.RATE_LIMITED,
    529: Trouble.OVERLOADED,
}
# An error inside a stream has the status 200; then only its type tells.
_BY_TYPE = {
    "invalid_request_error": Trouble.BAD_REQUEST,
    "authentication_error": Trouble.REFUSED_KEY,
    "billing_error": Trouble.NO_CREDIT,
    "permission_error": Trouble.REFUSED_KEY,
    "not_found_error": Trouble.NO_SUCH_MODEL,
    "request_too_large": Trouble.TOO_LONG,
    "rate_limit_error": Trouble.RATE_LIMITED,
    "overloaded_error": Trouble.OVERLOADED,
    "timeout_error": Trouble.SERVER,
    "api_error": Trouble.SERVER,
}
# What the SDK raises beside failed connections and answers with an error status: its own errors,
# and Python's from reading what no service should send.
_OF_SDK = (
    anthropic.AnthropicError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    AssertionError,
    ImportError,  # a proxy of a kind that needs a further package
    httpx2.InvalidURL,
)
_OF_ADDRESS = (httpx2.InvalidURL, httpx2.UnsupportedProtocol, UnicodeError)
_TOO_LONG_WORDS = (
    "prompt is too long",
    "exceed context limit",
    "context window",
    "too many tokens",
)


class Api:
    """Asks the model. One object serves one run."""

    def __init__(self, key: str, timeout_s: float, secrets: Secrets) -> None:
        # Its debug log would hold prompts.
        logging.getLogger("anthropic").setLevel(logging.ERROR)
        self._key, self._timeout_s, self._secrets = key, timeout_s, secrets
        self._reading: Reading | None = None

    @cached_property
    def _client(self) -> anthropic.Anthropic:
        """Made with the first call: variables of the environment can make it fail, too."""
        return anthropic.Anthropic(
            api_key=self._key,
            timeout=self._timeout_s,
            max_retries=_RETRIES,
            open_telemetry=False,
        )

    @property
    def in_flight(self) -> Cost:
        """What an answer that is not complete has cost by now, as far as its stream told."""
        return self._reading.usage() if self._reading else Cost()

    def ask(self, request: Request, on_progress: Callable[[str], None]) -> Answer:
        """Send `request`, read the answer to its end.

        `on_progress` gets a few words now and then. Raises CallFailed, and what `on_progress`
        raises.
        """
        reading = self._reading = Reading(request.max_tokens * _CHARACTERS_PER_TOKEN)
        try:
            answer = self._read(reading, request, on_progress)
        except CallFailed:
            self._reading = None  # whoever catches it counts what it has cost
            raise
        self._reading = None
        return answer

    def _read(
        self, reading: Reading, request: Request, on_progress: Callable[[str], None]
    ) -> Answer:
        try:
            with self._client.messages.stream(**request.body()) as stream:
                for words in reading.read(stream):
                    on_progress(words)
                return reading.answer()
        except anthropic.APIStatusError as error:
            raise self._of_status(error, reading.usage()) from None
        except (anthropic.APIConnectionError, httpx2.HTTPError, httpx2.StreamError) as error:
            raise _no_connection(error, reading.usage()) from None
        except BrokeOff as error:
            raise CallFailed(Trouble.BROKE_OFF, str(error), reading.usage()) from None
        except _OF_SDK as error:
            if not reading.begun:
                raise _not_sent(error) from None
            # A ValueError is the SDK's word for tool input that is no JSON.
            if isinstance(error, ValueError) and "JSON" in str(error):
                words = "the input of a tool call is not valid JSON"
                raise CallFailed(Trouble.BAD_JSON, words, reading.usage()) from None
            words = f"the answer cannot be read ({type(error).__name__})"
            raise CallFailed(Trouble.UNREADABLE, words, reading.usage()) from None

    def count(self, request: Request) -> int:
        """The exact number of input tokens of a request. Raises CallFailed."""
        body = request.body()
        del body["max_tokens"]
        try:
            return self._client.messages.count_tokens(**body).input_tokens
        except anthropic.APIStatusError as error:
            raise self._of_status(error, Cost()) from None
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            raise _no_connection(error, Cost()) from None
        except _OF_SDK as error:
            raise _not_sent(error) from None

    def _of_status(self, error: anthropic.APIStatusError, usage: Cost) -> CallFailed:
        kind = str(error.type or "")
        trouble = _BY_TYPE.get(kind) or _BY_STATUS.get(error.status_code) or Trouble.SERVER
        said = name(self._secrets.redact(clean(str(error.api_message or ""))), 300)
        if trouble is Trouble.BAD_REQUEST and any(w in said.lower() for w in _TOO_LONG_WORDS):
            trouble = Trouble.TOO_LONG
        if trouble is Trouble.BAD_REQUEST and "credit balance" in said.lower():
            trouble = Trouble.NO_CREDIT
        words = f"the interface answered {kind or error.status_code}" + (
            f": {said}" if said else ""
        )
        return CallFailed(trouble, words, usage, _wait(error.response.headers))


def _no_connection(error: Exception, usage: Cost) -> CallFailed:
    """The failure of a connection; one that no address leads to will not come back."""
    cause = error.__cause__ or error
    if isinstance(cause, _OF_ADDRESS):
        return _not_sent(cause)
    words = f"the connection failed ({type(error).__name__})"
    return CallFailed(Trouble.BROKE_OFF, words, usage)


def _not_sent(error: BaseException) -> CallFailed:
    """The failure of a request that never became one. The error's words may hold the key."""
    trouble = Trouble.BAD_ADDRESS if isinstance(error, _OF_ADDRESS) else Trouble.NOT_SENT
    if isinstance(error, anthropic.CredentialsError):
        trouble = Trouble.REFUSED_KEY
    words = f"the request could not be made ({type(error).__name__})"
    return CallFailed(trouble, words, Cost())


def _wait(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(_LONGEST_WAIT_S, seconds) if seconds >= 0 else None
