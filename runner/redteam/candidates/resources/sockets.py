"""Opens sockets in many processes and fills their buffers, which are nobody's memory.

Idea: socket buffers are charged to no process.
"""

import os
import socket
import time

import kit

kit.honest()
kit.note({"tried": "socket buffers"})
for _ in range(8):
    if os.fork() == 0:
        break
kept = []
try:
    while True:
        pair = socket.socketpair()
        kept.append(pair)
        pair[0].setblocking(False)
        try:
            while True:
                pair[0].send(b"x" * 65_536)
        except BlockingIOError:
            pass
except OSError:
    time.sleep(60)
