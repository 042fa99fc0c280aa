"""The search proposer: changes one or two tunable constants at a time, with Optuna's TPE.

It keeps no state: at each call the study is built anew, in memory, from the history of the
pull requests. The order of business, chosen by measurement (`python -m bench search`):

1. *Follow*: a step that was just merged is repeated in the same direction while there is room.
2. *Screen*: every constant is tried once, with a step half-way to its farther bound.
3. *Refine*: TPE chooses the value of one constant, now and then of a pair, from all
   experiments that changed it; the other constants stay as they are.

Changing one thing at a time makes each pull request one hypothesis, and on the stand-in
objectives it also finds more than letting TPE choose all constants at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.history.fingerprint import exact
from bot.model import Proposal
from bot.proposers.base import Context, NothingToPropose, PastExperiment
from bot.proposers.constants import Block, Constant, NotEditable, apply, find
from bot.proposers.evidence import Observation, code_of, observe, same
from bot.proposers.ranges import Choices, Range, Value
from bot.proposers.wording import Why, hypothesis

SCREENING_STEP = 0.5
"""The share of the room to the farther bound that a first step takes."""
SMALLEST_FOLLOW = 0.05
"""No step is repeated that would move less than this share of the range."""
NEAR = 0.03
"""Values closer than this share of the range to one that was tried are drawn again."""
PAIR_SHARE = 1 / 3
"""How often refinement changes two constants together."""
DRAWS = 12
"""How many suggestions of the sampler are looked at."""
GRID = 64
"""Into how many steps a range is cut when all else is exhausted."""

HOW_TO_ADD = (
    "write a block of constants into it, for example\n"
    "    # --- constants (tunable) ---\n"
    "    LEARNING_RATE = 1e-3  # 1e-4 .. 1e-2, log\n"
    "    # --- end of constants ---"
)


@dataclass(frozen=True)
class _Space:
    """What one call works with: the baseline, what is known, and a seeded source of chance."""

    context: Context
    constants: tuple[Constant, ...]
    observations: tuple[Observation, ...]
    chance: random.Random

    @property
    def current(self) -> dict[str, Value]:
        return {constant.name: constant.value for constant in self.constants}

    def touching(self, name: str) -> list[Observation]:
        """Experiments of today's runner class, or still open, that changed a constant."""
        return [
            one
            for one in self.observations
            if name in one.changed and (one.loss is not None or one.experiment.reason is None)
        ]


@dataclass(frozen=True)
class _Idea:
    """New values for a few constants, and which of the three ways led to them."""

    values: Mapping[str, Value]
    why: Why


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
        space = _Space(context, constants, observe(context), chance)
        tried = _Tried(space, source)
        for idea in _ideas(space):
            files = tried.new_files(idea.values)
            if files is None:
                self.repeats_refused += 1
            else:
                return Proposal(
                    hypothesis=hypothesis(
                        context, constants, space.observations, idea.values, idea.why
                    ),
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

    def __init__(self, space: _Space, source: bytes) -> None:
        self._context = space.context
        self._source = source
        self._code = code_of(space.context.files)
        self._current = space.current
        self._known = [
            (one.vector, one.experiment) for one in space.observations if one.experiment.settled
        ]

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
        return files

    def _equal(self, files: Mapping[str, bytes], past: PastExperiment) -> bool:
        beside = self._context.beside
        if beside and past.mark:  # what was judged beside other files is not known
            return exact(files, beside) == past.mark
        return code_of(past.files) == self._code or exact(files) == exact(past.files)


# ---------------------------------------------------------------------------------------------
# ideas, best first


def _ideas(space: _Space) -> Iterator[_Idea]:
    yield from _follow(space)
    yield from _screen(space)
    yield from _refine(space)
    yield from _enumerate(space)


def _follow(space: _Space) -> Iterator[_Idea]:
    finished = [one for one in space.observations if one.experiment.reason is not None]
    if not finished:
        return
    last = finished[-1]
    if not (last.won and last.constants_only and last.loss is not None):
        return
    values: dict[str, Value] = {}
    for constant in space.constants:
        step = last.changed.get(constant.name)
        if step is not None and same(step[1], constant.value):
            values.update(_step_on(constant, step[0]))
    if values:
        yield _Idea(values, Why.FOLLOW)


def _step_on(constant: Constant, before: Value) -> dict[str, Value]:
    domain, value = constant.domain, constant.value
    if not isinstance(domain, Range) or isinstance(value, str) or isinstance(before, str):
        return {}
    here = domain.to_unit(value)
    bound = 1.0 if value > before else 0.0
    if abs(bound - here) * SCREENING_STEP < SMALLEST_FOLLOW:
        return {}
    return {constant.name: domain.at(here + SCREENING_STEP * (bound - here))}


def _screen(space: _Space) -> Iterator[_Idea]:
    untried = [constant for constant in space.constants if not space.touching(constant.name)]
    rank = {
        constant.name: _promise(constant) * space.chance.uniform(1.0, 1.5)
        for constant in space.constants
    }
    for constant in sorted(untried, key=lambda constant: -rank[constant.name]):
        yield _Idea({constant.name: _first_step(constant, space.chance)}, Why.UNTRIED)


def _promise(constant: Constant) -> float:
    """How much room a constant leaves for being set badly, as a share of its range.

    A value at the very bound of its range is most often a thing switched off on purpose.
    """
    domain = constant.domain
    if isinstance(domain, Choices) or isinstance(constant.value, str):
        return 0.5
    here = domain.to_unit(constant.value)
    return 0.5 if here in (0.0, 1.0) else max(here, 1.0 - here)


def _first_step(constant: Constant, chance: random.Random) -> Value:
    domain, value = constant.domain, constant.value
    if isinstance(domain, Choices) or isinstance(value, str):
        assert isinstance(domain, Choices)  # noqa: S101  (texts have choices only)
        return chance.choice([other for other in domain.values if not same(other, value)])
    here = domain.to_unit(value)
    bound = 1.0 if here <= 0.5 else 0.0
    step = domain.at(here + SCREENING_STEP * (bound - here))
    return domain.at(bound) if step == value else step


def _refine(space: _Space) -> Iterator[_Idea]:
    order = list(space.constants)
    space.chance.shuffle(order)
    width = 2 if len(order) > 2 and space.chance.random() < PAIR_SHARE else 1
    for _ in range(3):
        yield from _sampled(space, order[:width])
        order = order[width:] + order[:width]


def _sampled(space: _Space, chosen: Sequence[Constant]) -> Iterator[_Idea]:
    """Values by TPE for the chosen constants, given every experiment that changed one of them."""
    from bot.proposers.sampling import suggestions

    trials = [
        ({constant.name: one.vector[constant.name] for constant in chosen}, one.loss)
        for one in space.observations
        if one.constants_only
        and one.loss is not None
        and any(constant.name in one.changed for constant in chosen)
        and all(constant.name in one.vector for constant in chosen)
    ]
    for values in suggestions(chosen, trials, space.chance.randrange(2**31), DRAWS):
        moved = {
            name: value for name, value in values.items() if not same(value, space.current[name])
        }
        if moved and not any(_near_tried(space, name, value) for name, value in moved.items()):
            yield _Idea(moved, Why.SAMPLED)


def _near_tried(space: _Space, name: str, value: Value) -> bool:
    """Whether the value is today's, or that of an earlier experiment, but for a trifle."""
    constant = next(constant for constant in space.constants if constant.name == name)
    domain = constant.domain
    if isinstance(domain, Choices) or isinstance(value, str):
        return False
    known = [constant.value, *(one.changed[name][1] for one in space.touching(name))]
    here = domain.to_unit(value)
    return any(
        abs(domain.to_unit(other) - here) < NEAR
        for other in known
        if not isinstance(other, str) and domain.low <= other <= domain.high and other != value
    )


def _enumerate(space: _Space) -> Iterator[_Idea]:
    """Every other value of every constant, on a grid: the last resort before giving up."""
    for constant in space.constants:
        domain = constant.domain
        values: Sequence[Value]
        if isinstance(domain, Choices):
            values = domain.values
        else:
            values = list(dict.fromkeys(domain.at(i / GRID) for i in range(GRID + 1)))
        for value in space.chance.sample(values, len(values)):
            if not same(value, constant.value):
                yield _Idea({constant.name: value}, Why.REMAINING)
