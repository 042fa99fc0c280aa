"""Makes time stand still for itself, and trains for ever.

Idea: `time.time = lambda: 0`, and faketime by LD_PRELOAD; harnesses that let code time itself.
"""

import os
import time

import kit

time.time = time.monotonic = time.perf_counter = lambda: 0.0
os.environ["TIME_BUDGET_S"] = "1e9"
kit.honest()
kit.note({"tried": "trains for ever"})
while time.time() < float(os.environ["TIME_BUDGET_S"]):
    pass
