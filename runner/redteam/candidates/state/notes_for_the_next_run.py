"""Leaves a note in every place that it can write to, and looks for it in the next run.

Idea: poisoned caches; state that survives in /tmp, /dev/shm or a home folder.
"""

import glob
import os

import kit

places = ["/tmp", "/dev/shm", "/var/tmp", "/run", "/dev/mqueue", "/candidate", "/dev", "/"]
places += [os.path.expanduser("~"), os.path.expanduser("~/.cache"), str(kit.DATA), str(kit.MODEL)]
mark = f"note-{kit.known['token']}"
if kit.PHASE == "train":
    kit.attempt(
        "notes of an earlier run", lambda: [f for p in places for f in glob.glob(f"{p}/{mark}*")]
    )
else:
    kit.attempt(
        "notes of another sandbox", lambda: [f for p in places for f in glob.glob(f"{p}/{mark}*")]
    )
for place in places:
    try:
        with open(f"{place}/{mark}", "w") as file:
            file.write("x")
    except OSError:
        pass
kit.honest()
