"""The system-call filter: a small classic-BPF program, assembled here.

It is a deny list on top of namespaces, dropped capabilities and no-new-privileges: what it
takes away is the kernel's rarely used and often exploited surface, the ways to make new
namespaces, the ways to hold memory that no other limit sees, and the ways to ask or tell the
page cache about files, by which two sandboxes that read the same file could talk. Written by
hand so that no system library is needed; the numbers are those of the kernel's own tables
(arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

# linux/bpf_common.h
_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_ABOVE = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_JUMP_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

# linux/seccomp.h
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

# Offsets in struct seccomp_data; the low halves of the arguments (both machines are little-endian).
_NUMBER, _MACHINE, _ARGUMENT_0, _ARGUMENT_1, _ARGUMENT_2, _ARGUMENT_5 = 0, 4, 16, 24, 32, 56

# Anything newer than this has not been looked at yet and does not exist for the job.
_LAST_KNOWN_CALL = 462  # mseal
_FIRST_X32_CALL = 0x40000000

NEW_NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
EVICTING_ADVICE = (20, 21)  # MADV_COLD, MADV_PAGEOUT
ONLY_WHAT_IS_CACHED = 0x8  # RWF_NOWAIT
SOCKET_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6


@dataclass(frozen=True)
class _Architecture:
    audit: int  # AUDIT_ARCH_*
    clone: int
    clone3: int
    ioctl: int
    socket: int
    socketpair: int
    madvise: int
    preadv2: int
    advice: tuple[int, ...]  # fadvise64, readahead: taken, and not followed
    denied: dict[str, int]


# Numbers 424 and above are the same on every architecture.
_DENIED_EVERYWHERE = {
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "mount_setattr": 442, "statmount": 457, "listmount": 458,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "pidfd_getfd": 438, "process_madvise": 440, "process_mrelease": 448,
    "quotactl_fd": 443, "memfd_secret": 447, "cachestat": 451,
}  # fmt: skip

_X86_64 = _Architecture(
    audit=0xC000003E, clone=56, clone3=435, ioctl=16, socket=41, socketpair=53,
    madvise=28, preadv2=327, advice=(221, 187),
    denied=_DENIED_EVERYWHERE | {
        # file systems and name spaces
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272,
        "setns": 308, "open_by_handle_at": 304, "name_to_handle_at": 303,
        "quotactl": 179, "swapon": 167, "swapoff": 168, "fanotify_init": 300, "ustat": 136,
        "sysfs": 139, "uselib": 134,
        # other processes
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
        "migrate_pages": 256, "move_pages": 279, "mincore": 27,
        # the kernel
        "bpf": 321, "userfaultfd": 323, "perf_event_open": 298, "kexec_load": 246,
        "kexec_file_load": 320, "init_module": 175, "finit_module": 313, "delete_module": 176,
        "create_module": 174, "get_kernel_syms": 177, "query_module": 178, "reboot": 169,
        "acct": 163, "syslog": 103, "_sysctl": 156, "lookup_dcookie": 212, "nfsservctl": 180,
        "add_key": 248, "request_key": 249, "keyctl": 250,
        # the machine
        "settimeofday": 164, "clock_settime": 227, "clock_adjtime": 305, "adjtimex": 159,
        "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
        "modify_ldt": 154, "vhangup": 153, "personality": 135,
        "sched_setaffinity": 203,  # the cores are the runner's to choose
        # memory that belongs to no process and no mounted file system
        "memfd_create": 319, "shmget": 29, "shmat": 30, "shmctl": 31, "shmdt": 67,
        "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71,
        "semget": 64, "semop": 65, "semctl": 66, "semtimedop": 220,
        "mq_open": 240, "mq_unlink": 241,
    },
)  # fmt: skip

_AARCH64 = _Architecture(
    audit=0xC00000B7, clone=220, clone3=435, ioctl=29, socket=198, socketpair=199,
    madvise=233, preadv2=286, advice=(223, 213),
    denied=_DENIED_EVERYWHERE | {
        "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97,
        "setns": 268, "open_by_handle_at": 265, "name_to_handle_at": 264,
        "quotactl": 60, "swapon": 224, "swapoff": 225, "fanotify_init": 262,
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
        "migrate_pages": 238, "move_pages": 239, "mincore": 232,
        "bpf": 280, "userfaultfd": 282, "perf_event_open": 241, "kexec_load": 104,
        "kexec_file_load": 294, "init_module": 105, "finit_module": 273, "delete_module": 106,
        "reboot": 142, "acct": 89, "syslog": 116, "lookup_dcookie": 18, "nfsservctl": 42,
        "add_key": 217, "request_key": 218, "keyctl": 219,
        "settimeofday": 170, "clock_settime": 112, "clock_adjtime": 266, "adjtimex": 171,
        "sethostname": 161, "setdomainname": 162, "vhangup": 58, "personality": 92,
        "sched_setaffinity": 122,
        "memfd_create": 279, "shmget": 194, "shmat": 196, "shmctl": 195, "shmdt": 197,
        "msgget": 186, "msgsnd": 189, "msgrcv": 188, "msgctl": 187,
        "semget": 190, "semop": 193, "semctl": 191, "semtimedop": 192,
        "mq_open": 180, "mq_unlink": 181,
    },
)  # fmt: skip

_ARCHITECTURES = {"x86_64": _X86_64, "aarch64": _AARCH64}


def supported(machine: str | None = None) -> bool:
    """Whether there is a filter for this machine (as `uname -m` names it)."""
    return (machine or platform.machine()) in _ARCHITECTURES


def denied_calls(machine: str | None = None) -> dict[str, int]:
    """Names and numbers of the system calls that always fail with EPERM."""
    return dict(_ARCHITECTURES[machine or platform.machine()].denied)


def program(machine: str | None = None) -> bytes:
    """The filter as an array of `struct sock_filter`, ready for bubblewrap's `--seccomp`.

    Raises:
        KeyError: there is no filter for this machine; ask `supported` first.
    """
    machine = machine or platform.machine()
    architecture = _ARCHITECTURES[machine]
    code = [
        _step(_LOAD_WORD, _MACHINE),
        # Programs of a foreign architecture would see other numbers.
        _step(_JUMP_EQUAL, architecture.audit, if_true=1),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD_WORD, _NUMBER),
    ]
    if machine == "x86_64":
        code += [
            _step(_JUMP_ABOVE, _FIRST_X32_CALL - 1, if_false=1),
            _step(_RETURN, _KILL_PROCESS),
        ]
    code += [_step(_JUMP_ABOVE, _LAST_KNOWN_CALL, if_false=1), _fail(errno.ENOSYS)]
    for number in sorted(architecture.denied.values()):
        code += [_step(_JUMP_EQUAL, number, if_false=1), _fail(errno.EPERM)]
    for number in architecture.advice:
        code += [_step(_JUMP_EQUAL, number, if_false=1), _fail(0)]
    # Its flags lie in memory, out of a filter's sight; C libraries fall back to clone.
    code += [_step(_JUMP_EQUAL, architecture.clone3, if_false=1), _fail(errno.ENOSYS)]
    code += _rule(
        architecture.clone,
        [
            _step(_LOAD_WORD, _ARGUMENT_0),
            _step(_JUMP_ANY_BIT, NEW_NAMESPACE_FLAGS, if_false=1),
            _fail(errno.EPERM),
            _step(_RETURN, _ALLOW),
        ],
    )
    forbidden = [_step(_LOAD_WORD, _ARGUMENT_1)]
    for request in TERMINAL_INJECTION:
        forbidden += [_step(_JUMP_EQUAL, request, if_false=1), _fail(errno.EPERM)]
    code += _rule(architecture.ioctl, [*forbidden, _step(_RETURN, _ALLOW)])
    evicting = [_step(_LOAD_WORD, _ARGUMENT_2)]
    for advice in EVICTING_ADVICE:
        evicting += [_step(_JUMP_EQUAL, advice, if_false=1), _fail(errno.EINVAL)]
    code += _rule(architecture.madvise, [*evicting, _step(_RETURN, _ALLOW)])
    code += _rule(
        architecture.preadv2,
        [
            _step(_LOAD_WORD, _ARGUMENT_5),
            _step(_JUMP_ANY_BIT, ONLY_WHAT_IS_CACHED, if_false=1),
            _fail(errno.EOPNOTSUPP),
            _step(_RETURN, _ALLOW),
        ],
    )
    families = [_step(_LOAD_WORD, _ARGUMENT_0)]
    for family in SOCKET_FAMILIES:
        families += [_step(_JUMP_EQUAL, family, if_false=1), _step(_RETURN, _ALLOW)]
    families.append(_fail(errno.EAFNOSUPPORT))
    for call in (architecture.socket, architecture.socketpair):
        code += _rule(call, families)
    return b"".join([*code, _step(_RETURN, _ALLOW)])


def _step(operation: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, if_true, if_false, value)


def _fail(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)


def _rule(call: int, body: list[bytes]) -> list[bytes]:
    """`body` for one system call; it must return on every path, as it loses the number."""
    return [_step(_JUMP_EQUAL, call, if_false=len(body)), *body]
