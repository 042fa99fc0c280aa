"""Takes all permissions from its files and its output folder, so that the reader fails.

Idea: an exception in the runner where nobody expected one.
"""

import os

import kit

kit.honest()
os.chmod(kit.OUT / ("model.json" if kit.PHASE == "train" else "predictions.npy"), 0o4000)
try:
    os.chmod(kit.OUT, 0)
except OSError:
    pass
