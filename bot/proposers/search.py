"""The search proposer: small changes of the tunable constants, from what earlier ones have shown.

It keeps no state: at each call all is read anew from the history of the pull requests. Which ideas
come first is the business of `bot.proposers.ideas`; here one is found that is new.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from bot.history.fingerprint import exact
from bot.model import Proposal
from bot.proposers.base import Context, NothingToPropose, PastExperiment
from bot.proposers.constants import Block, Constant, NotEditable, apply, find
from bot.proposers.evidence import code_of, observe, same
from bot.proposers.ideas import ideas
from bot.proposers.ranges import Value
from bot.proposers.space import Space
from bot.proposers.wording import hypothesis

HOW_TO_ADD = (
    "write a block of constants into it, for example\n"
    "    # --- constants (tunable) ---\n"
    "    LEARNING_RATE = 1e-3  # 1e-4 .. 1e-2, log\n"
    "    # --- end of constants ---"
)


class SearchProposer:
    """Proposes small changes of the tunable constants. Needs no key and no network."""

    name = "search"

    def __init__(self) -> None:
        self.repeats_refused = 0
        """How many ideas were dropped because they had been an experiment before."""

    def propose(self, context: Context) -> Proposal:
        """One new proposal, never one that was measured before. Raises NothingToPropose."""
        if context.revision is not None:
            raise NothingToPropose(
                "`search` only chooses other values, and another value is another experiment. "
                "Commit the change to the branch yourself, or use a proposer that edits"
            )
        source = context.files.get(context.entry)
        if source is None:
            raise NothingToPropose(
                f"there is no {context.entry} on the base branch: commit one there, or name the "
                "script that experiments change in bot.toml (candidate.entry, candidate.paths)"
            )
        constants = constants_of(source, context.entry)
        seed = f"{context.seed}/{context.number}/{len(context.refused)}"
        chance = random.Random(seed)  # noqa: S311  (a search, not a secret)
        space = Space(context, constants, observe(context), chance)
        if not space.most_together:
            raise NothingToPropose(
                f"this phase allows {context.allowed.max_changed_lines} changed line, and another "
                "value is two (one removed, one added): raise max_changed_lines in bot.toml"
            )
        tried = _Tried(space, source)
        for idea in ideas(space):
            if len(idea.values) > space.most_together:
                continue  # more lines than this phase allows to change
            files = tried.new_files(idea.values)
            if files is None:
                self.repeats_refused += 1
            else:
                return Proposal(
                    hypothesis=hypothesis(context, constants, space.observations, idea),
                    files=files,
                    proposer=self.name,
                )
        raise NothingToPropose(
            f"all {len(constants)} tunable constants of {context.entry} have been tried at every "
            "value that their ranges offer: widen a range, add a constant, or use another proposer"
        )


def constants_of(source: bytes, entry: str) -> tuple[Constant, ...]:
    """The tunable constants of the entry file. Raises NothingToPropose, saying what to do."""
    if not entry.endswith(".py"):
        raise NothingToPropose(
            f"{entry} is no Python script (its name does not end in .py), and the proposer search "
            'changes constants of Python scripts only. Choose proposer.name = "claude" or '
            '"command" in bot.toml, or open ideas of your own with `python -m bot open`'
        )
    try:
        block: Block = find(source)
    except NotEditable as error:
        raise NothingToPropose(f"{entry}: {error}") from error
    if not block.constants:
        problems = "".join(f"\n{entry}, {problem}" for problem in block.problems)
        raise NothingToPropose(f"{entry} has no tunable constants: {HOW_TO_ADD}{problems}")
    return block.constants


class _Tried:
    """Which files have been experiments before, or are the baseline."""

    def __init__(self, space: Space, source: bytes) -> None:
        self._context = space.context
        self._source = source
        self._code = code_of(space.context.files)
        self._current = space.current
        self._known = [
            (one.vector, one.experiment) for one in space.observations if one.experiment.settled
        ]
        # What was judged may have had other comments, and so other constants with a range.
        self._marks = {experiment.mark for _, experiment in self._known if experiment.mark}

    def new_files(self, values: Mapping[str, Value]) -> dict[str, bytes] | None:
        """The files with these values, or None if that is nothing new."""
        if all(same(self._current[name], value) for name, value in values.items()):
            return None
        edited = apply(self._source, values)
        files = {**self._context.files, self._context.entry: edited}
        vector = {**self._current, **values}
        for known, experiment in self._known:
            if known == vector and self._equal(files, experiment):
                return None
        if self._marks and exact(files, self._context.beside) in self._marks:
            return None
        return files

    def _equal(self, files: Mapping[str, bytes], past: PastExperiment) -> bool:
        beside = self._context.beside
        if beside and past.mark:  # what was judged beside other files is not known
            return exact(files, beside) == past.mark
        return code_of(past.files) == self._code or exact(files) == exact(past.files)
