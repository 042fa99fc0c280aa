"""The configurations and the ideas whose numbers tell how much room the task leaves.

All are values of the constants of `train.py`; everything else is as it ships.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from bench.journal import Value
from bench.measuring import Code, changed
from runner.errors import RequestError
from runner.result import Strict

TUNED_FILE = Path(__file__).with_name("headroom_tuned.json")

BASELINE = "baseline"
CLAMP_RELAXED = "clamp relaxed"
Name = Literal["tuned", "a night's last baseline"]
TUNED: Name = "tuned"
NIGHT: Name = "a night's last baseline"
FOUND = (TUNED, NIGHT)
"""Configurations that somebody searched for, in the order of the tables."""
EXPERTS_ON, EXPERTS_OFF = "experts on", "experts off"

RELAXED: Mapping[str, Value] = {"MAX_LOGIT_SCALE": 100.0}
"""Undoes the flaw that ships: the scale of the logits may grow as in CLIP."""
_SHARE = "EXPERT_SHARE"
_USUAL_SHARE = 0.1  # of the file that ships

IDEAS: Mapping[str, Mapping[str, Value]] = {
    "twice the batch": {"BATCH_SIZE": 128},
    "half the batch": {"BATCH_SIZE": 32},
    "a third of the learning rate": {"LEARNING_RATE": 1e-3},
    "linear schedule": {"SCHEDULE": "linear"},
    "no weight decay": {"WEIGHT_DECAY": 0.0},
    "averaged weights": {"EMA_DECAY": 0.95},
    "twice the embedding": {"EMBEDDING_SIZE": 256},
    "label smoothing": {"LABEL_SMOOTHING": 0.1},
    "a wider image tower": {"IMAGE_WIDTH": 144},
    "a narrower image tower": {"IMAGE_WIDTH": 64},
    "two more image blocks": {"IMAGE_BLOCKS": 4},
    "mean pooling": {"IMAGE_POOL": "mean"},
    "no random shift": {"IMAGE_SHIFT": 0},
    "a bag of words": {"TEXT_LAYERS": 0},
    "no experts": {"EXPERT_SHARE": 0.0},
    "three times the experts": {"EXPERT_SHARE": 0.3},
}
"""Named before any of them was measured, each against the relaxed clamp."""


class Tuned(Strict):
    """A configuration that a search found, and how."""

    name: Name = TUNED
    size: str
    """Of the data that it was found on."""
    budget_s: float
    device: str
    found_by: str
    """Sampler, trials and seed."""
    found_at: str
    """The day."""
    best: float
    """The metric by which it was chosen, which flatters it."""
    values: dict[str, Value]


_TUNED = TypeAdapter(tuple[Tuned, ...])


def tuned(size: str) -> tuple[Tuned, ...]:
    """The configurations that were found for a size of the data."""
    own = {one.name: one for one in _read() if one.size == size}
    return tuple(own[name] for name in FOUND if name in own)


def keep(found: Tuned) -> None:
    """Store a configuration in place of an earlier one of its name for the same size."""
    replaced = (found.size, found.name)
    every = [one for one in _read() if (one.size, one.name) != replaced] + [found]
    text = json.dumps([one.model_dump() for one in every], indent=1)
    TUNED_FILE.write_text(text + "\n", encoding="utf-8")


def _read() -> tuple[Tuned, ...]:
    try:
        return _TUNED.validate_json(TUNED_FILE.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        told = f"{TUNED_FILE}: cannot be read ({error}). Restore or delete it."
        raise RequestError(told) from None


def configurations(files: Mapping[str, bytes], entry: str, found: Sequence[Tuned]) -> list[Code]:
    """The codes of the first table, in its order, each with and without the expert branch."""

    def code(name: str, values: Mapping[str, Value]) -> Code:
        return changed(name, files, entry, values)

    off = {_SHARE: 0.0}
    codes = [
        code(BASELINE, {}),
        code(CLAMP_RELAXED, RELAXED),
        code(f"{CLAMP_RELAXED}, {EXPERTS_OFF}", {**RELAXED, **off}),
    ]
    for each in found:
        share = each.values.get(_SHARE, _USUAL_SHARE)
        other = (EXPERTS_OFF, off) if share else (EXPERTS_ON, {_SHARE: _USUAL_SHARE})
        codes.append(code(each.name, each.values))
        codes.append(code(f"{each.name}, {other[0]}", {**each.values, **other[1]}))
    return codes


def ideas(files: Mapping[str, bytes], entry: str) -> list[Code]:
    """The relaxed clamp, and every idea on top of it."""
    base = changed(CLAMP_RELAXED, files, entry, RELAXED)
    return [base, *(changed(n, files, entry, {**RELAXED, **v}) for n, v in IDEAS.items())]
