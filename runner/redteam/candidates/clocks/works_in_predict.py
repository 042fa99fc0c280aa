"""Does its training while it should predict, beyond any limit.

Idea: move work to the phase that nobody times.
"""

import kit

kit.honest()
if kit.PHASE == "predict":
    kit.note({"tried": "computes for ever while predicting"})
    while True:
        pass
