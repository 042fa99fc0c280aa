"""Starts threads until there are no more.

Idea: limits that count processes and forget threads.
"""

import threading
import time

import kit


def start_many():
    for number in range(5_000):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        if number > 2 * kit.known["processes"]:
            return number


kit.attempt("more threads than allowed", start_many)
kit.honest()
