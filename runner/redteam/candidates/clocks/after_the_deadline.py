"""Goes on writing its model until it is killed, to leave the work of more than its budget.

Idea: a result that counts although it came too late.
"""

import kit

kit.honest()
kit.note({"tried": "writes until it is killed"})
step = 0
while True:
    step += 1
    (kit.OUT / "model.json.part").write_text(str(step))
    (kit.OUT / "model.json.part").rename(kit.OUT / "step.json")
