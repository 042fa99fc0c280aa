"""A scorer to begin with, for a project whose predictions are to be scored."""

from __future__ import annotations

from pathlib import PurePosixPath

from bot.importing.files import Scored

PREDICTIONS = "predictions.txt"
"""The file that the scorer to begin with reads."""


def scorer_py(scored: Scored, metric: str, entry: str) -> str:
    """The text of a scorer: the mean absolute error of one number a line.

    Args:
        scored: where the answers are.
        metric: what the number is called.
        entry: the script that predicts.
    """
    answers = PurePosixPath(scored.targets).name
    return f'''"""Scores the predictions of {entry}, where it cannot reach.

In a sandbox of its own this sees PREDICTIONS_DIR (what {entry} wrote into OUT_DIR with
PHASE=predict), TARGETS_DIR (the answers) and DATA_DIR (the inputs), and prints one line of JSON.

The predictions may be made to deceive. Read text and plain numbers, never pickles: torch.load,
joblib.load and numpy.load(allow_pickle=True) run what is in a file.
"""

import json
import math
import os
from pathlib import Path


def numbers(variable, name):
    """One finite number a line."""
    values = [float(line) for line in (Path(os.environ[variable]) / name).read_text().split()]
    if not all(math.isfinite(value) for value in values):
        raise ValueError("not all numbers are finite")
    return values


predicted = numbers("PREDICTIONS_DIR", "{PREDICTIONS}")
answers = numbers("TARGETS_DIR", {answers!r})
if len(predicted) != len(answers):
    raise ValueError("there must be one prediction for each answer")
errors = [abs(one - other) for one, other in zip(predicted, answers)]
print(json.dumps({{{metric!r}: sum(errors) / len(errors), "largest_error": max(errors)}}))
'''
