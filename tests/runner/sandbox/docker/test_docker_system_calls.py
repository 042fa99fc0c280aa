"""The kernel follows the filter that the engine was given, and the job's /proc tells little."""

from __future__ import annotations

import platform

from runner.sandbox import seccomp
from runner.sandbox.arguments import MASKED_IN_PROC
from tests.runner.sandbox.conftest import Run
from tests.runner.sandbox.test_seccomp import (
    CALLS,
    test_a_32_bit_call_kills,  # noqa: F401 - collected from here
)


def test_every_denied_call_is_refused(run: Run) -> None:
    numbers = sorted(seccomp.denied_calls().values())
    ran = run(CALLS + f"for n in {numbers}: print(answer(n, 0, 0, 0, 0))")
    # The engine's library may not know a new call; that one does not exist for the job.
    assert set(ran.text.split()) <= {"EPERM", "ENOSYS"}
    assert len(ran.text.split()) == len(numbers)


def test_namespaces_terminal_injection_and_odd_sockets_are_refused(run: Run) -> None:
    clone, ioctl = {"x86_64": (56, 16), "aarch64": (220, 29)}[platform.machine()]
    ran = run(
        CALLS + f"print(answer({clone}, 0x10000000 | 17, 0, 0, 0, 0), answer(435, 0, 0))\n"
        f"print(*(answer({ioctl}, 0, request, 0) for request in"
        " (0x5412, 0x541C, 0x1_0000_5412, 0x1_0000_541C)))\n"
        f"print('EPERM' in [answer({ioctl}, 0, 0x5400 + low, 0) for low in range(256)"
        " if low not in (0x12, 0x1C)])\n"
        "for family in range(3, 46):\n"
        "    if family != socket.AF_INET6:\n"
        "        try: socket.socket(family, socket.SOCK_DGRAM); print('made', family)\n"
        "        except OSError as error: assert error.errno == errno.EPERM, error\n"
        "for family in (socket.AF_INET, socket.AF_INET6): socket.socket(family).close()\n"
        "left, right = socket.socketpair(); left.send(b'x'); print(right.recv(1))"
    )
    assert ran.text.splitlines() == ["EPERM ENOSYS", "EPERM EPERM EPERM EPERM", "False", "b'x'"]


def test_the_page_cache_can_neither_be_asked_nor_told(run: Run) -> None:
    ran = run(
        "import ctypes, errno, os\n"
        "file = os.open(os.__file__, os.O_RDONLY)\n"
        "os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # taken, and not followed\n"
        "print(os.preadv(file, [bytearray(1)], 0))\n"
        "try: os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT)\n"
        "except OSError as error: print(errno.errorcode[error.errno])\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        "at = ctypes.c_void_p(libc.mmap(None, 4096, 1, 2, file, 0))\n"
        "for name, last in (('mincore', ctypes.create_string_buffer(1)), ('madvise', 20),"
        " ('madvise', 21)):\n"
        "    answer = getattr(libc, name)(at, ctypes.c_size_t(4096), last)\n"
        "    print(name, answer, errno.errorcode.get(ctypes.get_errno()))\n"
        "print(libc.madvise(at, ctypes.c_size_t(4096), 4))  # MADV_DONTNEED goes on working\n"
    )
    assert ran.text.splitlines() == [
        "1", "EPERM", "mincore -1 EPERM", "madvise -1 EPERM", "madvise -1 EPERM", "0",
    ]  # fmt: skip


def test_counters_of_the_machine_and_the_first_process_are_out_of_reach(run: Run) -> None:
    ran = run(
        f"import os\nfor name in {MASKED_IN_PROC}:\n"
        "    path = '/proc/' + name\n"
        "    try: seen = os.listdir(path) if os.path.isdir(path) else open(path).read(1)\n"
        "    except OSError: seen = ''\n"
        "    if seen: print(name, seen)\n"
        "for process in ('1', '1/task/1', 'self'):\n"
        "    start = int(open(f'/proc/{process}/maps').read().split('-')[0], 16)\n"
        "    with open(f'/proc/{process}/mem', 'r+b', 0) as memory:\n"
        "        memory.seek(start)\n"
        "        print(process, memory.read(4))\n"
    )
    assert ran.text.splitlines() == ["1 b''", "1/task/1 b''", "self b'\\x7fELF'"]
