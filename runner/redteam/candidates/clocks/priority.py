"""Takes more of the machine than others by real-time scheduling and negative niceness.

Idea: starve the process that watches the clock.
"""

import os

import kit

runner = kit.known["runner"]


def slow_down_the_runner():
    os.setpriority(os.PRIO_PROCESS, runner, 19)
    return "the runner is slowed down"


def real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
    return "real-time scheduling"


kit.attempt("nice", lambda: os.nice(-20) < 0)
kit.attempt("real time", real_time)
kit.attempt("the runner's niceness", slow_down_the_runner)
kit.honest()
