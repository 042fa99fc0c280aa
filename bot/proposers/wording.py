"""The search proposer's hypotheses in plain words, with the evidence they rest on."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model import Direction, Hypothesis
from bot.proposers.base import Context
from bot.proposers.constants import Constant, write
from bot.proposers.evidence import Observation, same
from bot.proposers.ranges import Choices, Value
from bot.proposers.space import Idea, Why

LONGEST_TITLE = 72


def hypothesis(
    context: Context,
    constants: Sequence[Constant],
    observations: Sequence[Observation],
    idea: Idea,
) -> Hypothesis:
    """State in words what changes, why, and what would refute it."""
    changed = [constant for constant in constants if constant.name in idea.values]
    what = [_change(constant, idea.values[constant.name]) for constant in changed]
    reasons = [_reason(context, constant, observations, idea) for constant in changed]
    better = "lower" if context.direction is Direction.LOWER else "higher"
    names = [constant.name for constant in changed]
    return Hypothesis(
        title=_title(what, names) if len(names) <= 2 else _title_of_many(names, idea.why),
        rationale="\n\n".join(
            [f"{_sentence(_listed(what))}. {_together(idea.why, len(what))}", *reasons]
        ),
        falsified_by=f"{context.metric} is not {better} than that of the baseline on equal seeds.",
        expected=f"{context.metric} gets {better}.",
    )


def shown(value: Value) -> str:
    """A value as it stands in the script, in ASCII and of bounded length."""
    text = ascii(value) if isinstance(value, str) else write(value)
    return text if len(text) <= 30 else text[:27] + "..."


def _change(constant: Constant, new: Value) -> str:
    name, old = constant.name, constant.value
    if isinstance(new, bool):
        return f"turn {name} {'on' if new else 'off'}"
    if isinstance(new, str) or isinstance(old, str):
        return f"set {name} to {shown(new)} instead of {shown(old)}"
    verb = "raise" if new > old else "lower"
    return f"{verb} {name} from {shown(old)} to {shown(new)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _title(what: Sequence[str], names: Sequence[str]) -> str:
    verbs = [f"{change.split(' ')[0]} {name}" for change, name in zip(what, names, strict=True)]
    for parts in (what, [_without_old(change) for change in what], verbs):
        title = _sentence(" and ".join(parts))
        if len(title) <= LONGEST_TITLE:
            return title
    return title[: LONGEST_TITLE - 3] + "..."


def _title_of_many(names: Sequence[str], why: Why) -> str:
    what = "near misses" if why is Why.BUNDLE else "changes"
    title = f"Try {len(names)} {what} together: {', '.join(names)}"
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 3] + "..."


def _listed(parts: Sequence[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _together(why: Why, count: int) -> str:
    if why is Why.BUNDLE:
        return (
            f"Each of these {count} steps looked better when it was made alone, but by less than "
            "the noise of its runs, so that none could be merged. If they are truly better, "
            "their gains add up to what a verdict can show; if they were luck, this shows that."
        )
    return "Nothing else is changed." if count == 1 else "They are changed together."


def _without_old(change: str) -> str:
    before, separator, after = change.partition(" from ")
    if separator:
        return f"{before} to {after.rpartition(' to ')[2]}"
    return change.partition(" instead of ")[0]


def _reason(
    context: Context,
    constant: Constant,
    observations: Sequence[Observation],
    idea: Idea,
) -> str:
    why = idea.why
    known = [one for one in observations if constant.name in one.changed]
    bounds = _bounds(constant)
    if why is Why.FOLLOW:
        number = next(one.experiment.number for one in reversed(observations) if one.won)
        return (
            f"Experiment {number} moved {constant.name} in this direction and was merged, and "
            f"there is room left ({bounds}): go on by half of it. "
            + _evidence(context, constant, known)
        )
    if why is Why.TURN:
        return (
            f"A step the other way made it worse, and this side of {constant.name} is untried "
            f"({bounds}). " + _evidence(context, constant, known)
        )
    if why is Why.BUNDLE:
        value = idea.values[constant.name]
        alone = [
            one
            for one in known
            if len(one.changed) == 1 and same(one.changed[constant.name][1], value)
        ]
        return f"{constant.name} ({bounds}): {_evidence(context, constant, alone)}"
    if why is Why.UNTRIED:
        return (
            f"Untried so far: no comparable experiment has changed {constant.name} ({bounds}). "
            "Every constant is tried once before any is refined"
            + ("." if isinstance(constant.domain, Choices) else ", by a long first step.")
        )
    if why is Why.WEIGHED:
        expected = idea.expected[constant.name]
        outlook = f"{abs(expected):.1%} {'better' if expected > 0 else 'worse'}"
        return (
            f"Added up constant by constant, all experiments so far let expect {outlook} from this "
            f"value of {constant.name} ({bounds})"
            + (". " if expected > 0 else ", but that is uncertain, and it may well be better. ")
            + _evidence(context, constant, known)
        )
    if why is Why.SAMPLED:
        used = sum(one.constants_only and one.loss is not None for one in known)
        return (
            f"TPE chose this value of {constant.name} ({bounds}) from {used} finished "
            f"experiment{'' if used == 1 else 's'} that changed it. "
            + _good_values(constant, known)
            + _evidence(context, constant, known)
        )
    return (
        f"Nothing better is left: this value of {constant.name} ({bounds}) is one of those that no "
        f"experiment has tried. {_evidence(context, constant, known)}"
    )


def _bounds(constant: Constant) -> str:
    domain = constant.domain
    if isinstance(domain, Choices):
        text = "choices " + ", ".join(shown(value) for value in domain.values)
    else:
        text = f"range {domain.low:g} to {domain.high:g}{', logarithmic' if domain.log else ''}"
    return text if constant.hinted else text + ", derived from its value"


def _good_values(constant: Constant, known: Sequence[Observation]) -> str:
    good = [one.changed[constant.name][1] for one in known if one.loss is not None and one.loss < 0]
    if not good:
        return f"None of them improved on {shown(constant.value)} by itself. "
    listed = ", ".join(dict.fromkeys(shown(value) for value in good[-4:]))
    return f"Those that improved had it at {listed}. "


def _evidence(context: Context, constant: Constant, known: Sequence[Observation]) -> str:
    lines = [_line(context, constant, one) for one in known[-4:]]
    return "So far: " + "; ".join(lines) + "." if lines else ""


def _line(context: Context, constant: Constant, one: Observation) -> str:
    past = one.experiment
    before, after = one.changed[constant.name]
    others = len(one.changed) - 1
    more = f" (with {others} other change{'s' if others > 1 else ''})" if others else ""
    result = "is still open" if past.reason is None else f"was {past.reason}"
    if past.metric is not None and past.baseline is not None:
        result += f", {context.metric} {past.metric:.4g} against {past.baseline:.4g}"
    move = f"experiment {past.number} took it from {shown(before)} to {shown(after)}{more}"
    return f"{move} and {result}"
