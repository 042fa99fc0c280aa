"""The ideas of the search proposer, best first, from what the experiments so far have shown.

The order of business, chosen by measurement (`python -m bench search`):

1. *Follow*: a step that was just merged is repeated in the same direction while there is room.
2. *Turn*: a constant that one step made worse is moved the other way, once.
3. *Bundle*: steps that looked better, but not by enough for a verdict, are tried together.
4. *Screen*: every constant is tried once, with a step half-way to its farther bound.
5. *Weigh*: what all experiments together let expect is added up constant by constant, and the
   few moves with the best outlook are made together.
6. *Sample*: where nothing new lets expect a gain, Optuna's TPE chooses the value of one constant
   or two.

Changing few things at a time makes each pull request one hypothesis. But with run-to-run noise of
some per cent, a gain of half of that is hardly ever proved alone: hence the bundles.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations, product

from bot.model import Reason
from bot.proposers.constants import Constant
from bot.proposers.evidence import Observation, same
from bot.proposers.ranges import Choices, Range, Value
from bot.proposers.space import MOST_TOGETHER, Idea, Space, Why, close, grid
from bot.proposers.weighing import weigh

STEP = 0.5
"""The share of the room to a bound that a step takes."""
SMALLEST_FOLLOW = 0.05
"""No step is repeated that would move less than this share of the range."""
CRAMPED = 0.25
"""With no more room than this share of the range, the step the other way goes to the bound."""
SMALLEST_BUNDLE = 2
"""So many near misses are tried together once every constant has been tried."""
PAIR_SHARE = 1 / 3
"""How often TPE chooses two constants together."""
DRAWS = 12
"""How many suggestions of the sampler are looked at."""
GRID = 64
"""Into how many steps a range is cut when all else is exhausted."""


def ideas(space: Space) -> Iterator[Idea]:
    """Ideas for the next experiment, best first; some may have been experiments before."""
    yield from _follow(space)
    yield from _turn(space)
    yield from _bundle(space, MOST_TOGETHER)
    yield from _screen(space)
    yield from _bundle(space, SMALLEST_BUNDLE)
    yield from weigh(space)
    yield from _sample(space)
    yield from _enumerate(space)


def _follow(space: Space) -> Iterator[Idea]:
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
        yield Idea(values, Why.FOLLOW)


def _step_on(constant: Constant, before: Value) -> dict[str, Value]:
    domain, value = constant.domain, constant.value
    if not isinstance(domain, Range) or isinstance(value, str) or isinstance(before, str):
        return {}
    here = domain.to_unit(value)
    bound = 1.0 if value > before else 0.0
    if abs(bound - here) * STEP < SMALLEST_FOLLOW:
        return {}
    return {constant.name: domain.at(here + STEP * (bound - here))}


def _turn(space: Space) -> Iterator[Idea]:
    for one in reversed(space.singles(Reason.WORSE)):
        ((name, (before, after)),) = one.changed.items()
        if len(space.touching(name)) == 1:
            constant = next(constant for constant in space.constants if constant.name == name)
            value = _other_way(constant, before, after)
            if value is not None:
                yield Idea({name: value}, Why.TURN)


def _other_way(constant: Constant, before: Value, after: Value) -> Value | None:
    """A step to the other side; None where there is no other side."""
    domain = constant.domain
    if isinstance(domain, Choices) or isinstance(before, str) or isinstance(after, str):
        return None
    here, bound = domain.to_unit(before), 0.0 if after > before else 1.0
    room = abs(bound - here)
    return None if room == 0 else domain.at(here + (STEP if room > CRAMPED else 1) * (bound - here))


def _bundle(space: Space, fewest: int) -> Iterator[Idea]:
    """The most promising near misses that no bundle has had, once there are enough of them."""
    together = [one for one in space.observations if len(one.changed) > 1]
    best: dict[str, Observation] = {}
    for one in space.singles(Reason.NO_EVIDENCE):
        ((name, (_, after)),) = one.changed.items()
        had = any(name in other.changed and same(other.changed[name][1], after)
                  for other in together)  # fmt: skip
        if _gain(one) > 0 and not had and (name not in best or _gain(one) > _gain(best[name])):
            best[name] = one
    chosen = sorted(best, key=lambda name: -_gain(best[name]))[: space.most_together]
    if len(best) >= fewest and len(chosen) > 1:
        yield Idea({name: best[name].changed[name][1] for name in chosen}, Why.BUNDLE)


def _gain(one: Observation) -> float:
    """How much better than its baseline an experiment was, as a share of that."""
    assert one.loss is not None  # noqa: S101  (of those that ended)
    return -one.loss / abs(one.experiment.baseline or 1.0)


def _screen(space: Space) -> Iterator[Idea]:
    rank = {
        constant.name: _promise(constant) * space.chance.uniform(1.0, 1.5)
        for constant in space.constants
    }
    for constant in sorted(space.untried, key=lambda constant: -rank[constant.name]):
        yield Idea({constant.name: _first_step(constant, space.chance)}, Why.UNTRIED)


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
        return chance.choice(_others(constant, domain))
    here = domain.to_unit(value)
    bound = 1.0 if here <= 0.5 else 0.0
    step = domain.at(here + STEP * (bound - here))
    return domain.at(bound) if step == value else step


def _sample(space: Space) -> Iterator[Idea]:
    order = list(space.constants)
    space.chance.shuffle(order)
    width = 2 if len(order) > 2 and space.chance.random() < PAIR_SHARE else 1
    for _ in range(3):
        yield from _sampled(space, order[:width])
        order = order[width:] + order[:width]


def _sampled(space: Space, chosen: Sequence[Constant]) -> Iterator[Idea]:
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
            yield Idea(moved, Why.SAMPLED)


def _near_tried(space: Space, name: str, value: Value) -> bool:
    """Whether the value is today's or that of an earlier experiment, but for a trifle."""
    constant = next(constant for constant in space.constants if constant.name == name)
    tried = [constant.value, *(one.changed[name][1] for one in space.touching(name))]
    return any(close(constant, other, value) for other in tried)


def _enumerate(space: Space) -> Iterator[Idea]:
    """All that is left, before giving up: every other value of every constant, on a grid, and
    those of a few constants together that have a choice each.
    """
    for constant in space.constants:
        values = grid(constant, GRID)
        for value in space.chance.sample(values, len(values)):
            if not same(value, constant.value):
                yield Idea({constant.name: value}, Why.REMAINING)
    choices = [(one.name, _others(one, one.domain)) for one in space.constants
               if isinstance(one.domain, Choices)]  # fmt: skip
    for few in range(2, space.most_together + 1):
        for together in combinations(choices, few):
            names = [name for name, _ in together]
            for values in product(*(others for _, others in together)):
                yield Idea(dict(zip(names, values, strict=True)), Why.REMAINING)


def _others(constant: Constant, domain: Choices) -> list[Value]:
    return [value for value in domain.values if not same(value, constant.value)]
