"""While predicting images it also writes the captions' predictions, in every likely place.

Idea: one sandbox that answers for both sides could match them perfectly.
"""

import kit

kit.honest()
if kit.PHASE == "predict":
    rows = [[float(r == c) for c in range(64)] for r in range(64)]
    for place in ("images", "captions", "predicted-captions", "predicted-images"):
        (kit.OUT / place).mkdir()
        kit.save(rows, kit.OUT / place / "predictions.npy")
    kit.attempt("beside the output", lambda: kit.save(rows, kit.OUT.parent / "predictions.npy"))
    kit.attempt("above the output", lambda: (kit.OUT / "../predicted-captions").mkdir() or True)
