"""What the next proposal would be made from: for `bot propose --dry-run`. Asks no model.

The only thing that may leave this machine is the request that counts tokens exactly, and only
where a key is set for the proposer that is configured.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bot.actions import BeginPhase, Stop
from bot.decide import next_idea
from bot.history.cost import Cost
from bot.history.spending import CapReached, Totals, left_under
from bot.phases.marks import PhaseMark
from bot.phases.standing import standing
from bot.proposers.base import Context, Proposer
from bot.proposers.portfolio import Portfolio
from bot.proposers.ranges import Choices, Domain
from bot.proposers.tables import CapsTable
from bot.proposing import conversations
from bot.proposing.context import context, used
from bot.proposing.journal import About
from bot.proposing.place import Place
from bot.snapshot import View, look

PREVIEW_KEYS = {
    "proposer": "which proposer the next step would use",
    "why": "why that one",
    "ready": "whether it could begin now",
    "problem": "what is in the way, empty if nothing is",
    "model": "the model, null for proposers that name none",
    "tokens_estimate": "about how many tokens the first request has, from its length; null "
    "for a proposer without prompts",
    "tokens_exact": "the exact number as the interface counts it; null without a key",
    "spent": "what all proposals have cost so far",
    "spent.usd": "US dollars",
    "spent.tokens": "tokens of every kind",
    "spent.experiments": "experiments, open ones included",
    "spent.gpu_hours": "hours of sandboxed runs",
    "parts": "the exact context, part by part",
    "parts[].name": "what it is",
    "parts[].text": "its text",
}
"""Every key of `preview_json` and its meaning."""


@dataclass(frozen=True)
class Part:
    """A piece of what a proposer would be given."""

    name: str
    text: str


@dataclass(frozen=True)
class Preview:
    """What the next proposal would be made from."""

    proposer: str
    why: str
    problem: str
    totals: Totals
    parts: tuple[Part, ...]
    model: str | None = None
    estimate: int | None = None
    exact: int | None = None


def preview(place: Place, name: str | None = None) -> Preview:
    """Look at the present state as a step would, without a runner and without proposing.

    `name` is a proposer of bot.toml; without, it is the one whose turn it is.
    """
    view = look(place.repository, place.forge, place.settings)
    idea = next_idea(view.snapshot)
    if isinstance(idea, BeginPhase):
        view = _in_phase(view, place, idea.name)
    totals = used(place, view)
    problem = idea.why if isinstance(idea, Stop) else ""
    uncapped = place.settings.model_copy(update={"caps": CapsTable()})
    tell = partial(context, replace(place, settings=uncapped), view)
    told = tell()
    begun = conversations.waiting(place, told)
    if begun and begun.base != told.base:
        told = tell(base=begun.base)
    with contextlib.suppress(CapReached):
        told = replace(told, left=left_under(place.settings.caps, totals))
    turn = begun.proposer if begun else Portfolio(_nobody, place.settings.shares).order(told)[0]
    match name or turn:
        case "claude":
            found = _claude(place, told, totals)
        case "command":
            found = _command(place, told, totals)
        case _:
            found = _search(place, told, totals)
    if begun and begun.proposer == found.proposer:
        found = replace(found, why=_would_go_on(begun))
    return replace(found, problem="\n".join(filter(None, [problem, found.problem])))


def _would_go_on(begun: About) -> str:
    return (
        "it would go on with a conversation that it has begun, of which only the beginning is "
        f"shown; that has cost {Cost.read(begun.cost) or 'nothing'}"
    )


def _in_phase(view: View, place: Place, name: str) -> View:
    """The view as it will be once that phase has begun."""
    mark = PhaseMark(name, "", "", len(view.entries))
    begun = standing(place.settings.programme, view.entries, [mark])
    return replace(view, snapshot=replace(view.snapshot, phase=begun))


def preview_json(found: Preview) -> dict[str, Any]:
    """The same as data, with the keys of `PREVIEW_KEYS`."""
    return {
        "proposer": found.proposer,
        "why": found.why,
        "ready": not found.problem,
        "problem": found.problem,
        "model": found.model,
        "tokens_estimate": found.estimate,
        "tokens_exact": found.exact,
        "spent": {
            "usd": found.totals.cost.usd,
            "tokens": found.totals.cost.tokens,
            "experiments": found.totals.experiments,
            "gpu_hours": found.totals.gpu_hours,
        },
        "parts": [{"name": part.name, "text": part.text} for part in found.parts],
    }


def preview_text(found: Preview) -> str:
    """The same for a person: the context first, what it means at the end."""
    lines = []
    for part in found.parts:
        lines += [f"===== {part.name} =====", part.text, ""]
    lines.append(f"Proposer: {found.proposer} ({found.why})")
    if found.model:
        lines.append(f"Model: {found.model}")
    if found.exact is not None:
        lines.append(f"Tokens of the first request: {found.exact:,} (counted by the interface)")
    elif found.estimate is not None:
        lines.append(
            f"Tokens of the first request: about {found.estimate:,} (an estimate from its length)"
        )
    lines.append(
        f"So far: {found.totals.cost or 'nothing spent'}, {found.totals.experiments} experiments, "
        f"{found.totals.gpu_hours:.2f} hours of runs"
    )
    lines.append(f"Not ready: {found.problem}" if found.problem else "Ready: run a step.")
    return "\n".join(lines)


def _claude(place: Place, told: Context, totals: Totals) -> Preview:
    from bot.proposers.claude import ClaudeProposer
    from bot.proposers.claude.pricing import price_of
    from bot.proposers.claude.proposer import has_key

    table = place.settings.claude
    proposer = ClaudeProposer(table)
    request = proposer.first_request(told)
    problems = []
    if not has_key():
        problems.append(
            "ANTHROPIC_API_KEY is not set, so a step would stop. Set it, or set "
            'proposer.name = "search" in bot.toml, which needs no key.'
        )
    if place.settings.caps.max_usd is not None and price_of(request.model, table) is None:
        problems.append(
            f"caps.max_usd is set and the price of {request.model} is not known. Set "
            "claude.price_input and claude.price_output in bot.toml."
        )
    messages = [
        Part(f"message {index}, part {number} ({message['role']})", block["text"])
        for index, message in enumerate(request.messages, 1)
        for number, block in enumerate(message["content"], 1)
    ]
    return Preview(
        proposer="claude",
        why=_why(place, "claude"),
        problem="\n".join(problems),
        totals=totals,
        parts=(
            *(Part("system", block["text"]) for block in request.system),
            Part("tools", _json(request.tools)),
            *messages,
        ),
        model=request.model,
        estimate=request.estimate(),
        exact=proposer.count(request),
    )


def _command(place: Place, told: Context, totals: Totals) -> Preview:
    from bot.proposers.claude.prompt import estimate
    from bot.proposers.command import CommandProposer

    proposer = CommandProposer(place.settings.command)
    files: Mapping[str, bytes] = proposer.task(told)
    shown = {path: data.decode("utf-8", errors="replace") for path, data in files.items()}
    call = json.dumps(list(place.settings.command.argv))
    return Preview(
        proposer="command",
        why=_why(place, "command"),
        problem=proposer.problem(told),
        totals=totals,
        parts=(Part("command line", call), *(Part(path, text) for path, text in shown.items())),
        estimate=estimate(shown),
    )


def _search(place: Place, told: Context, totals: Totals) -> Preview:
    from bot.proposers.base import NothingToPropose
    from bot.proposers.constants import Constant
    from bot.proposers.search import constants_of

    constants: tuple[Constant, ...] = ()
    problem = ""
    try:
        constants = constants_of(told.files.get(told.entry, b""), told.entry)
    except NothingToPropose as error:
        problem = str(error)
    lines = [f"{one.name} = {one.value!r}  # {_range(one.domain)}" for one in constants]
    return Preview(
        proposer="search",
        why=_why(place, "search"),
        problem=problem,
        totals=totals,
        parts=(
            Part("tunable constants", "\n".join(lines) or "none"),
            Part("history", f"{len(told.history)} finished experiments"),
        ),
    )


def _why(place: Place, name: str) -> str:
    shares = place.settings.shares
    if len(shares) > 1:
        said = ", ".join(f"{one} {share}" for one, share in shares.items())
        return f"its turn by the shares of [portfolio] in bot.toml: {said}"
    if name == "search":
        return 'proposer.name = "search", the default: it needs no key, no network and no prompt'
    return f'proposer.name = "{name}" in bot.toml'


def _nobody(name: str) -> Proposer:
    raise AssertionError(name)  # nobody is asked for a preview


def _range(domain: Domain) -> str:
    if isinstance(domain, Choices):
        return "one of " + ", ".join(repr(value) for value in domain.values)
    return f"{domain.low:g} .. {domain.high:g}" + (", log" if domain.log else "")


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
