"""What an agent finds in its scratch folder: the task, the files, and the history as files.

Pure. What people wrote as the programme is given as it is; everything else is fenced as data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.history.fingerprint import Near
from bot.proposers import briefing
from bot.proposers.base import Context, PastExperiment
from bot.proposers.review import diff, near_text, outcome
from bot.proposers.scratch import HYPOTHESIS, Stated
from bot.text.hygiene import Fence, bounded

TASK = "TASK.md"
HISTORY = 100
"""So many of the latest experiments lie in the folder `history`."""

INSTRUCTIONS = f"""\
# Your task

Propose one experiment: one hypothesis that could improve the metric below, made as one small \
edit of the files that you may change, here in this folder. Nobody answers questions, and the \
script cannot be trained here: read your edit again with care instead.

When you are done, write `{HYPOTHESIS}` in this folder, a JSON object with the keys `title` \
(one imperative line, at most 150 characters), `rationale` (why it should help), `expected` \
(the effect that you expect), `falsified_by` (the result that would refute it) and `notes` \
(the beliefs of the scratchpad as they should stand from now on, one a line, all of them; empty \
to leave them as they are). All are texts. Only the files named \
under Rules and `{HYPOTHESIS}` are read back; everything else here is thrown away.

`history/` holds earlier experiments with their changes and what became of them. An exact \
repeat is refused, and one that is much like an earlier experiment comes back to you once.
"""


ONCE_MORE = f"""\
## Your edit is like earlier experiments

You have been here before: the edit that lies in this folder and `{HYPOTHESIS}` are yours. \
Experiments that were like it:

%s

If you still believe in it, say in the `rationale` what is different; else change the edit and \
`{HYPOTHESIS}`. `history/` has what each of them changed. Nothing is handed back to you again.
"""


@dataclass(frozen=True)
class Edit:
    """What an agent made of its task: the files that it changed, and what it says of them."""

    files: Mapping[str, bytes]
    stated: Stated


def assignment(
    context: Context, fence: Fence, edit: Edit | None = None, near: Sequence[Near] = ()
) -> dict[str, bytes]:
    """The files of the scratch folder, by name: what the agent is told and may edit.

    With an `edit`, that is handed back to it together with the earlier experiments that are `near`.
    """
    start = context.files if context.revision is None else context.revision.files
    files = {**context.files, **start}
    told = [INSTRUCTIONS, fence.rule()]
    told += [
        str(section)
        for section in briefing.sections(context, fence)
        if section.title != "The baseline"  # the files themselves are there
    ]
    told.append(briefing.happenings(context, fence))
    if edit is not None:
        told.append(ONCE_MORE % fence.wrap("near experiments", near_text(near, context), 6_000))
        stated = json.dumps(edit.stated.model_dump(), indent=1)
        files |= {**edit.files, HYPOTHESIS: stated.encode()}
    shown = {
        path: fence.secrets.redact(data.decode("utf-8", errors="replace"))
        for path, data in files.items()
    }
    texts = {TASK: "\n\n".join(filter(None, told)) + "\n"}
    for past in _shown(context.history, near):
        texts[f"history/{past.number:05d}.md"] = _past(past, context, fence)
    return {path: text.encode() for path, text in {**texts, **shown}.items()}


def _shown(history: Sequence[PastExperiment], near: Sequence[Near]) -> list[PastExperiment]:
    """The latest, and those before them that an edit is like."""
    wanted = {one.number for one in near}
    earlier, latest = list(history)[:-HISTORY], list(history)[-HISTORY:]
    return [past for past in earlier if past.number in wanted] + latest


def _past(past: PastExperiment, context: Context, fence: Fence) -> str:
    change = diff(past.base_files or context.files, past.files)
    shown = bounded(fence.plain(change), 20_000)
    text = f"{past.title}\n{outcome(past)}\n\n{shown}"
    return fence.wrap(f"experiment #{past.number}", text, 24_000) + "\n"
