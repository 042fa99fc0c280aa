"""Predicts NaN everywhere: comparisons with NaN are false, so that a naive rank would be 1.

Idea: well-known; `(scores > own).sum() + 1` is 1 for NaN.
"""

import kit

if kit.PHASE == "train":
    kit.honest()
else:
    kit.save([[float("nan")] * 3 for _ in kit.predict()])
