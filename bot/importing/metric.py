"""Which number in a script's output is its metric, and the pattern that finds it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from runner.errors import InvalidOutput
from runner.kinds.reported import read
from runner.settings import MetricTable
from runner.text import clean_text

Direction = Literal["lower", "higher"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LABEL = r"([A-Za-z][\w@/.()-]*(?: [\w@/.()-]+){0,4}?)"
# A name, what stands between it and its number, the number.
_PAIR = re.compile(rf"{_LABEL}([\"']?\s*[:=]\s*|\s+(?:is|of)\s+|\s+)({_NUMBER})(?![\w])")
# The same in a source, where a number is a place to fill in.
_WRITTEN = re.compile(rf"{_LABEL}([\"']?\s*[:=]\s*|\s+)(\{{|%[-+0-9.]*[a-z]|[\"'] *[,.+])")
_HIGHER = (
    r"acc|auc|auroc|f1|bleu|rouge|score|r2|map|iou|dice|reward|return|recall|precision|ndcg|mrr"
)
_LOWER = r"loss|error|err|perplexity|ppl|rmse|mse|mae|nll|bpb|bpc|wer|cer|fid|rank|distance|cost"
_KIND = re.compile(rf"(?:^|[^a-z])(?:\w*_)?({_HIGHER}|{_LOWER})", re.IGNORECASE)
_BETTER_HIGHER = re.compile(rf"(?:^|[^a-z])(?:\w*_)?({_HIGHER})", re.IGNORECASE)
_HELD_OUT = re.compile(r"val|dev|test|eval|held|final|best", re.IGNORECASE)
_ASIDE = re.compile(
    r"train|step|epoch|iter|time|\blr\b|sec|elapsed|params|mfu|batch", re.IGNORECASE
)
_QUALIFIER = r"\b(?:mean|average|avg|root|squared|absolute|macro|micro|balanced|cross|total|log)"
# Where the name of a metric begins within the words before its number.
_TELLING = re.compile(f"{_KIND.pattern}|{_HELD_OUT.pattern}|{_QUALIFIER}", re.IGNORECASE)
_LONGEST_LINE = 500


@dataclass(frozen=True)
class Guess:
    """A metric, as bot.toml describes it, and where it was seen."""

    name: str
    direction: Direction
    pattern: str
    value: float | None = None  # None: seen in the source, not in an output
    line: str = ""

    @property
    def table(self) -> MetricTable:
        """The table `[metric]` of bot.toml."""
        return MetricTable(name=self.name, direction=self.direction, pattern=self.pattern)


def in_output(log: str) -> Guess | None:
    """The likeliest metric of an output: held-out before other numbers, later before earlier."""
    best: tuple[int, int, Guess] | None = None
    for number, line in enumerate(log.splitlines()):
        for label, between in _pairs(line, _PAIR):
            rank = _rank(label)
            if rank is None or (best and (rank, number) < best[:2]):
                continue
            guess = _guess(label, between, log, line)
            if guess is not None:
                best = (rank, number, guess)
    return best[2] if best else None


def in_source(source: str) -> Guess | None:
    """The likeliest metric by what a script would print, without having run it."""
    best: tuple[int, Guess] | None = None
    for line in source.splitlines():
        if not re.search(r"print|log|echo|cat|say|put", line):
            continue
        for label, between in _pairs(line, _WRITTEN):
            rank = _rank(label)
            if rank is None or (best and rank < best[0]):
                continue
            pattern = _pattern(label, between.rstrip("\"' ") or between, r"(\S+)")
            best = (rank, Guess(_name(label), direction_of(label), pattern, line=line.strip()))
    return best[1] if best else None


def named(name: str, pattern: str | None, direction: Direction | None) -> Guess:
    """A metric that a person named."""
    label = r"[\s_]".join(re.escape(word) for word in re.split(r"[\s_]+", name.strip()))
    return Guess(
        name=_name(name),
        direction=direction or direction_of(name),
        pattern=pattern or rf"(?i)\b{label}\s*[:=]?\s*(\S+)",
    )


def value_in(log: str, table: MetricTable) -> float:
    """The metric in an output, read as the runner reads it. Raises InvalidOutput."""
    return read(log.encode(), table).metric


def line_of(log: str, table: MetricTable) -> str:
    """The line of an output that the metric was read from."""
    lines = [line for line in log.splitlines() if re.search(table.pattern or "", line)]
    return clean_text(lines[-1].encode(), _LONGEST_LINE).strip() if lines else ""


def is_held_out(guess: Guess) -> bool:
    """Whether the line that a metric was read from tells of data that was kept from training."""
    return bool(_HELD_OUT.search(guess.line) or _HELD_OUT.search(guess.name))


def direction_of(name: str) -> Direction:
    """Which way a metric of this name is better, as far as names tell."""
    lower = re.search(_LOWER, name, re.IGNORECASE)
    return "higher" if _BETTER_HIGHER.search(name) and not lower else "lower"


def _pairs(line: str, pair: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for match in pair.finditer(line[:_LONGEST_LINE]):
        words = match[1].split()
        telling = (number for number, word in enumerate(words) if _TELLING.search(word))
        yield " ".join(words[next(telling, 0) :]), match[2]


def _rank(label: str) -> int | None:
    """How likely a label is that of the metric; None: it is none."""
    if not _KIND.search(label):
        return None
    return 2 + 4 * bool(_HELD_OUT.search(label)) - 3 * bool(_ASIDE.search(label))


def _guess(label: str, between: str, log: str, line: str) -> Guess | None:
    """The label with a pattern that reads a number from this output, if there is one."""
    for group in (r"(\S+)", r"([^\s,;|)}\]]+)", rf"({_NUMBER}|nan|inf|-inf)"):
        guess = Guess(_name(label), direction_of(label), _pattern(label, between, group))
        try:
            value = value_in(log, guess.table)
        except InvalidOutput:
            continue
        shown = clean_text(line.encode(), _LONGEST_LINE).strip()
        return Guess(guess.name, guess.direction, guess.pattern, value, shown)
    return None


def _pattern(label: str, between: str, group: str) -> str:
    words = r"\s+".join(re.escape(word).replace("\\-", "-") for word in label.split())
    separator = re.escape(between.strip()).replace("\\ ", " ")
    edge = r"\b" if re.match(r"\w", label) else ""
    if separator.isalpha():
        return rf"{edge}{words}\s+{separator}\s+{group}"
    before = r"\s*" if between[:1].isspace() else ""
    spaced = rf"{before}{separator}\s*" if separator else r"\s+"
    return rf"{edge}{words}{spaced}{group}"


def _name(label: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_@.-]+", "_", label).strip("_.-")[:50]
    return name if re.match(r"[A-Za-z]", name) else "metric"
