"""Asks for the parts of the kernel that most exploits go through.

Idea: io_uring, eBPF, userfaultfd and perf in the CVE lists since 2016.
"""

import ctypes

import kit

space = ctypes.create_string_buffer(256)
kit.attempt("io_uring_setup", lambda: kit.call("io_uring_setup", 4, space))
kit.attempt("bpf", lambda: kit.call("bpf", 5, space, 120))
kit.attempt("userfaultfd", lambda: kit.call("userfaultfd", 0))
kit.attempt("perf_event_open", lambda: kit.call("perf_event_open", space, 0, -1, -1, 0))
kit.attempt("keyctl", lambda: kit.call("keyctl", 0, -3, 1))
kit.attempt("init_module", lambda: kit.call("init_module", space, 0, space))
kit.attempt("finit_module", lambda: kit.call("finit_module", 0, space, 0))
kit.attempt("kexec_load", lambda: kit.call("kexec_load", 0, 0, space, 0))
kit.attempt("reboot", lambda: kit.call("reboot", 0xFEE1DEAD, 672274793, 0, 0))
kit.attempt("swapon", lambda: kit.call("swapon", ctypes.c_char_p(b"/tmp/x"), 0))
kit.attempt("quotactl", lambda: kit.call("quotactl", 0x80000100, 0, 0, space))
kit.honest()
