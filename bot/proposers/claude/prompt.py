"""What the model is told, and a request as data. Pure.

The instructions and the tools never change, the briefing stays the same for one run: each ends
with a cache mark, so that every later turn reads them from the cache.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.proposers.base import Context
from bot.proposers.briefing import FULL, Detail, happenings, sections
from bot.proposers.claude.tools import definitions
from bot.proposers.tables import ClaudeTable
from bot.text.hygiene import Fence

Block = dict[str, Any]  # content blocks, tools and messages in the interface's own words
CACHE = {"type": "ephemeral"}
_CHARACTERS_PER_TOKEN = 3.0
"""A rough figure for code and prose; it errs on the side of too many tokens."""

INSTRUCTIONS = """\
You are the researcher of a project that improves a training script by experiments. Each \
experiment is one hypothesis, made as one edit of the allowed files. A runner that you cannot \
reach trains the edited script for a fixed time in a sandbox, measures the metric, and compares \
it with the baseline by a statistical test over several seeds. Better ones are merged and become \
the baseline; the others are closed, and you will see both in the history.

How to work
- Choose one idea that the evidence makes likely to help, that has not been tried, and that a \
measurement can refute. One idea per experiment: a result must teach something either way.
- Read the history first: what won, what nearly won, what failed and why. Use `history` for the \
diff or the training curve of an experiment that matters to your idea.
- The time for training is fixed. Speed counts as much as insight, and what needs long training \
to pay off will not.
- Edit with `edit` (exact replacement) where you can and `write` where you must. Keep the \
change small and the code readable, and keep the script's contract: its environment variables, \
its files, its two phases.
- `check` tells whether the change is allowed, compiles, and is new. It runs nothing. Nobody can \
run the script before it is measured, so read your edit again with care: shapes, types, names.
- `submit` ends your work. Say the hypothesis in one imperative line, why you believe it, what \
effect you expect, and which result would refute it. In `notes` hand in your beliefs \
as they should stand from now on, one a line: what you learned that a later proposer should know.

Bounds
- You have these tools and nothing else: no shell, no running code, no other files.
- You have a limited number of answers. Do not ask questions; nobody reads them. Act.
- Do not try to influence how you are measured: no reading of files or variables beyond the \
script's contract, no seeds chosen for luck, no output that games the metric. Such changes are \
found and reverted.
"""


@dataclass
class Request:
    """Everything that one call sends, in the interface's own words."""

    model: str
    max_tokens: int
    system: list[Block]
    tools: list[Block]
    messages: list[Block]
    effort: str | None = None

    def body(self) -> dict[str, Any]:
        """The arguments of the SDK's call; the last block of the user's is a cache mark."""
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "system": self.system,
            "tools": self.tools,
            "messages": _marked(self.messages),
        }
        if self.effort is not None:
            body["output_config"] = {"effort": self.effort}
        return body

    def estimate(self) -> int:
        """About how many tokens the input has: from its length, not exact."""
        return estimate(self.system, self.tools, self.messages)


def estimate(*parts: object) -> int:
    """About how many tokens some parts of a request have."""
    characters = sum(len(json.dumps(part, ensure_ascii=False)) for part in parts)
    return round(characters / _CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class Prompt:
    """The beginning of a conversation."""

    system: list[Block] = field(default_factory=list)
    tools: list[Block] = field(default_factory=list)
    opening: list[Block] = field(default_factory=list)

    def request(self, model: str, table: ClaudeTable, effort: str | None) -> Request:
        """The first request of a conversation."""
        return Request(
            model=model,
            max_tokens=table.max_output_tokens,
            system=self.system,
            tools=self.tools,
            messages=[{"role": "user", "content": list(self.opening)}],
            effort=effort,
        )


def build(context: Context, fence: Fence, table: ClaudeTable, detail: Detail = FULL) -> Prompt:
    """Instructions, tools and briefing for `context`."""
    told = "\n\n".join(str(section) for section in sections(context, fence, detail))
    opening: list[Block] = [
        {"type": "text", "text": f"{fence.rule()}\n\n{told}", "cache_control": CACHE}
    ]
    news = happenings(context, fence)
    last = f"{news}\n\nBegin." if news else "Begin."
    opening.append({"type": "text", "text": last})
    return Prompt(
        system=[{"type": "text", "text": INSTRUCTIONS, "cache_control": CACHE}],
        tools=definitions(context.phase, table.max_web_uses),
        opening=opening,
    )


def _marked(messages: Sequence[Block]) -> list[Block]:
    """The messages with a cache mark at the end, if the last one is the user's."""
    marked = list(messages)
    if len(marked) > 1 and marked[-1]["role"] == "user":
        *before, last = marked[-1]["content"]
        marked[-1] = {"role": "user", "content": [*before, {**last, "cache_control": CACHE}]}
    return marked
