"""Predicts infinities, whose products are infinite or NaN as one likes.

Idea: relative of the NaN trick; inf - inf, and 0 * inf.
"""

import kit

if kit.PHASE == "train":
    kit.honest()
else:
    kit.save([[float("inf"), 0.0, -float("inf")] for _ in kit.predict()])
