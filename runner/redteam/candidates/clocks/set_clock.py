"""Sets the machine's clock back, so that the deadline never comes.

Idea: containers with CAP_SYS_TIME.
"""

import ctypes
import time

import kit

kit.attempt("clock_settime", lambda: time.clock_settime(time.CLOCK_REALTIME, 1.0) or True)
buffer = ctypes.create_string_buffer(256)
for name in ("settimeofday", "adjtimex"):
    kit.attempt(name, lambda name=name: kit.call(name, buffer, 0))
kit.honest()
