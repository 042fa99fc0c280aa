"""Sends a message from the images' sandbox to the captions' by the access times of the model.

Idea: covert storage channels (Lampson, 1973); atime is the file system's own notebook.
"""

import time

import kit

message = [1, 0, 1, 1, 0, 0, 1, 0]
kit.honest()
if kit.PHASE == "train":
    for bit, _ in enumerate(message):
        (kit.OUT / f"bit-{bit}").write_text("x")
elif kit.GROUP == "images":
    time.sleep(0.02)
    for bit, value in enumerate(message):
        if value:
            (kit.MODEL / f"bit-{bit}").read_text()
else:
    times = [(kit.MODEL / f"bit-{bit}").stat() for bit, _ in enumerate(message)]
    kit.attempt("read the message", lambda: message == [
        int(one.st_atime_ns > one.st_mtime_ns + 15_000_000) for one in times])  # fmt: skip
