"""The proposer `claude`: puts prompt, workbench, purse and conversation together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from bot.errors import BotError
from bot.history.cost import Cost
from bot.model import Proposal, Source
from bot.proposers.account import Accounts
from bot.proposers.base import WEB_TOOLS, Context, NothingToPropose
from bot.proposers.briefing import Detail
from bot.proposers.claude.pricing import PRICES_AS_OF, price_of, priced
from bot.proposers.claude.prompt import Request, build
from bot.proposers.claude.purse import Purse
from bot.proposers.claude.state import Unusable, pack, unpack
from bot.proposers.claude.talk import Asks, Bounds, Talk
from bot.proposers.claude.workbench import Workbench
from bot.proposers.tables import ClaudeTable
from bot.text.hygiene import Fence, Secrets, name

KEY_VARIABLE = "ANTHROPIC_API_KEY"


class NoKey(BotError):
    """The environment has no key for the interface."""


class PriceUnknown(BotError):
    """A cap in dollars is set, and the model's price is not known."""


def _silent(words: str) -> None:
    del words


class ClaudeProposer:
    """Proposes edits that a Claude model made with tools that reach nothing but those files.

    `spent` is what the present or last call of `propose` has cost so far.
    """

    name = "claude"

    def __init__(
        self,
        table: ClaudeTable,
        *,
        progress: Callable[[str], None] = _silent,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._progress = progress
        self._sleep = sleep
        # One fence for all attempts of a step: their prompts begin alike and are cached.
        self._fence = Fence.new(Secrets.of(os.environ))
        self._api: Asks | None = None
        self._purse: Purse | None = None

    @property
    def spent(self) -> Cost:
        """What `propose` has cost since it was last called, also in the middle of an answer."""
        if self._purse is None:
            return Cost()
        begun = self._api.in_flight if self._api else Cost()
        return self._purse.spent + (priced(begun, self._purse.price) if begun else begun)

    def propose(self, context: Context) -> Proposal:
        """One new proposal of the model.

        Raises:
            NoKey, PriceUnknown: a person has to put something right; nothing was spent.
            NothingToPropose: there is no file to edit.
            ProposalFailed: it came to nothing.
        """
        model = self.model(context)
        price = price_of(model, self._table)
        account = context.account or Accounts().open(lambda: context.left)
        purse = self._purse = Purse(price, account, self._table.max_proposal_tokens)
        begun = None
        left = context.conversation
        if left is not None and left.proposer == self.name:
            account.go_on(left.cost)  # also where it begins anew: it was paid for this proposal
            purse.spent = left.cost
            begun = left.parts
        if not context.files:
            raise NothingToPropose("there is none of the files that bot.toml allows to change")
        if context.left.usd is not None and price is None:
            raise PriceUnknown(
                f"caps.max_usd is set, and the price of the model {model!r} is not known (the "
                f"price list is of {PRICES_AS_OF}). Set claude.price_input and "
                "claude.price_output in bot.toml, or use caps.max_tokens alone."
            )
        api = self._api = self._api or self._connect()
        while True:
            try:
                talk = self._talk(context, api, purse, begun)
                talk.run()
                return self._proposal(context, talk)
            except Unusable as why:
                self._progress(f"an unfinished conversation cannot be gone on with: {why}")
                purse.forget()
                begun = None

    def _talk(
        self, context: Context, api: Asks, purse: Purse, begun: Mapping[str, bytes] | None
    ) -> Talk:
        """A conversation, put back to where a process before this one has left it if it did.

        Raises Unusable.
        """
        state, messages = unpack(begun) if begun is not None else (None, [])
        fence = Fence(state.mark, self._fence.secrets) if state else self._fence
        granted = context.phase.tools
        web = bool(context.phase.web_domains and granted & WEB_TOOLS)

        def opening(detail: Detail) -> Request:
            prompt = build(context, fence, self._table, detail)
            return prompt.request(self.model(context), self._table, self.effort(context))

        def keep(request: Request) -> None:
            if context.conversation is not None:
                # What a service says that cannot be kept ends nothing: the rest was kept before.
                with suppress(ValueError, RecursionError):
                    parts = pack(talk.state(request), request.messages)
                    context.conversation.keep(self.name, parts)

        talk = Talk(
            api=api,
            bench=Workbench(context, fence),
            purse=purse,
            opening=opening,
            granted=granted,
            bounds=Bounds(self._table.max_turns, self._table.max_web_uses if web else 0),
            progress=self._progress,
            sleep=self._sleep,
            keep=keep,
        )
        if state is not None:
            talk.go_on(state, messages)
        return talk

    def _proposal(self, context: Context, talk: Talk) -> Proposal:
        submission = talk.bench.submission
        assert submission is not None  # noqa: S101  (`run` returns only with one)
        return Proposal(
            hypothesis=submission.hypothesis,
            files=talk.bench.changed,
            proposer=self.name,
            cost=talk.purse.spent,
            notes=submission.notes,
            sources=tuple(
                Source(source.url, name(self._fence.plain(source.title), 150))
                for source in talk.counts.sources
                if _is_plain(source.url, context.phase.web_domains)
            ),
        )

    def model(self, context: Context) -> str:
        """The model of the present phase."""
        return context.phase.model or self._table.model

    def effort(self, context: Context) -> str | None:
        """The effort of the present phase."""
        return context.phase.effort or self._table.effort

    def first_request(self, context: Context) -> Request:
        """What the first call would send: for `bot propose --dry-run`. Needs no key."""
        prompt = build(context, self._fence, self._table)
        return prompt.request(self.model(context), self._table, self.effort(context))

    def count(self, request: Request) -> int | None:
        """The exact number of input tokens, None without a key or when it cannot be had."""
        from bot.proposers.claude.failures import CallFailed

        if not has_key():
            return None
        from bot.proposers.claude.api import Api

        try:
            return Api(_key(), self._table.timeout_s, self._fence.secrets).count(request)
        except CallFailed:
            return None

    def _connect(self) -> Asks:
        key = _key()
        from bot.proposers.claude.api import Api  # the SDK takes more than a second to import

        return Api(key, self._table.timeout_s, self._fence.secrets)


def has_key() -> bool:
    """Whether the environment has a key."""
    return bool(os.environ.get(KEY_VARIABLE, "").strip())


def _key() -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise NoKey(
            f"The proposer `claude` needs a key in the environment variable {KEY_VARIABLE}. Set "
            'it, or set proposer.name = "search" in bot.toml, which needs none.'
        )
    if not (key.isascii() and key.isprintable()):
        raise NoKey(
            f"The key in the environment variable {KEY_VARIABLE} has characters that no key has "
            "(a line break, a quotation mark of a text editor?). Copy it again."
        )
    return key


def _is_plain(url: str, domains: tuple[str, ...]) -> bool:
    """Whether an address is fit for a pull request: https, an allowed domain, nothing odd."""
    if len(url) > 500 or not url.isascii() or any(c in url for c in "<>\"'`\\()[]{}| \t\r\n"):
        return False
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port
    except ValueError:
        return False
    allowed = [domain.partition("/")[0].lower() for domain in domains]
    known = any(host == domain or host.endswith(f".{domain}") for domain in allowed)
    return parts.scheme == "https" and known and parts.username is None and port is None
