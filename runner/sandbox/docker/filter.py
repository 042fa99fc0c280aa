"""The system-call filter that an engine is given in place of its own.

It follows `runner.sandbox.seccomp`, so that a job may do the same under either backend, but is
an allow list: an engine translates names with a library that may not know newer calls, and what
it does not know it would silently leave out of a deny list. What engines refuse by default and
our deny list does not name (memory policies, calls that no kernel has any more) is not in it.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from typing import Any

from runner.sandbox import seccomp

# By what engines call the machine; only its native calls, so that 32-bit and x32 ones are killed.
_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
_WORD = 0xFFFFFFFF  # the kernel looks at 32 bits of these arguments only

# Calls of either architecture that need no look at their arguments.
ALLOWED = frozenset(
    """
    accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown
    clock_getres clock_gettime clock_nanosleep close close_range connect copy_file_range creat
    dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait
    eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fallocate fchdir
    fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork
    fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue futex_wait
    futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents
    getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid
    getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
    getsockopt gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit
    ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
    lchown lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr
    lsm_get_self_attr lsm_list_modules lsm_set_self_attr lstat map_shadow_stack membarrier
    mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify
    mq_timedreceive mq_timedsend mremap mseal msync munlock munlockall munmap nanosleep
    newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc
    pkey_free pkey_mprotect poll ppoll prctl pread64 preadv prlimit64 pselect6 pwrite64 pwritev
    pwritev2 read readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages
    removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
    sched_getparam sched_getscheduler sched_rr_get_interval sched_setattr
    sched_setparam sched_setscheduler sched_yield seccomp select sendfile sendmmsg sendmsg
    sendto set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups
    setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid
    setsockopt setuid setxattr shutdown sigaltstack signalfd signalfd4 splice stat statfs statx
    symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
    timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
    timerfd_settime times tkill truncate umask uname unlink unlinkat utime utimensat utimes
    vfork vmsplice wait4 waitid write writev
    """.split()  # noqa: SIM905 - a table of words
)

Rule = dict[str, Any]  # in the words of the engines' interface


def supported(machine: str) -> bool:
    """Whether there is a filter for an engine on `machine` (as `uname -m` names it)."""
    return machine in _ARCHITECTURES and seccomp.supported(machine)


def profile(machine: str) -> str:
    """The filter for an engine on `machine`, as the JSON text of a seccomp profile.

    Raises:
        KeyError: there is no filter for this machine; ask `supported` first.
    """
    denied = seccomp.denied_calls(machine)
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",  # EPERM
            "architectures": [_ARCHITECTURES[machine]],
            "syscalls": [
                _rule(*sorted(ALLOWED - denied.keys())),
                # Its flags lie in memory, out of a filter's sight; C libraries fall back to clone.
                _error("clone3", number=errno.ENOSYS),
                # Advice about the page cache is taken, and not followed.
                _error("fadvise64", "readahead", number=0),
                _rule("clone", argument=_is(0, seccomp.NEW_NAMESPACE_FLAGS, 0)),
                _rule("preadv2", argument=_is(5, seccomp.ONLY_WHAT_IS_CACHED, 0)),
                *(
                    _rule("socket", "socketpair", argument=_is(0, _WORD, family))
                    for family in seccomp.SOCKET_FAMILIES
                ),
                *_allow_but("ioctl", 1, seccomp.TERMINAL_INJECTION),
                *_allow_but("madvise", 2, seccomp.EVICTING_ADVICE),
            ],
        },
        separators=(",", ":"),
    )


def _allow_but(call: str, index: int, forbidden: tuple[int, ...]) -> Iterator[Rule]:
    """Allow `call` unless the low word of an argument is `forbidden`."""
    for mask, value in everything_but(forbidden):
        yield _rule(call, argument=_is(index, mask, value))


def everything_but(forbidden: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Pairs (mask, value) such that a word w has w & mask == value for one iff not forbidden.

    Profiles can compare under a mask for equality, but not for inequality. So the words are
    divided bit by bit from the top: each half without a forbidden word is one pair.
    """
    beginnings = {0}
    for bit in reversed(range(32)):
        mask = (_WORD >> bit) << bit
        next_ones = {word & mask for word in forbidden}
        for beginning in sorted(beginnings):
            for half in (beginning, beginning | 1 << bit):
                if half not in next_ones:
                    yield mask, half
        beginnings = next_ones


def _rule(*names: str, argument: Rule | None = None) -> Rule:
    return {
        "names": list(names),
        "action": "SCMP_ACT_ALLOW",
        "args": [] if argument is None else [argument],
    }


def _error(*names: str, number: int) -> Rule:
    return {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": number, "args": []}


def _is(index: int, mask: int, value: int) -> Rule:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
