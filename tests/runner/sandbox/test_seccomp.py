from __future__ import annotations

import errno
import platform
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sandbox import seccomp
from tests.runner.sandbox.conftest import Run

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def decide(program: bytes, machine: int, call: int, *arguments: int) -> int:
    """What a filter says to a system call: a small interpreter of classic BPF."""
    data = struct.pack("<iIQ6Q", call, machine, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("<HBBI", program))
    position, accumulator = 0, 0
    while True:
        operation, if_true, if_false, value = steps[position]
        position += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            return int(value)
        else:
            held = {
                0x15: accumulator == value, 0x25: accumulator > value,
                0x45: bool(accumulator & value),
            }[operation]  # fmt: skip
            position += if_true if held else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_every_denied_call_fails_with_no_permission(machine: str) -> None:
    program = seccomp.program(machine)
    assert len(seccomp.denied_calls(machine)) > 50
    for number in seccomp.denied_calls(machine).values():
        assert decide(program, MACHINES[machine], number) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_programs_of_another_architecture_are_killed(machine: str) -> None:
    program = seccomp.program(machine)
    for other in (0x40000003, 0x40000028, 0x00000003, 0):
        assert decide(program, other, 0) == KILL
    if machine == "x86_64":
        assert decide(program, MACHINES[machine], 0x40000000 | 1) == KILL


@pytest.mark.parametrize("machine", MACHINES)
@given(call=st.integers(min_value=0, max_value=0x3FFFFFFF), argument=st.integers(0, 2**64 - 1))
def test_a_filter_answers_every_call(machine: str, call: int, argument: int) -> None:
    answer = decide(seccomp.program(machine), MACHINES[machine], call, argument, argument)
    assert answer == ALLOW or answer & 0xFFFF0000 == ERRNO
    if call > 462:
        assert answer == ERRNO | errno.ENOSYS


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_threads_may_be_made_and_namespaces_not(machine: str, clone: int) -> None:
    program, audit = seccomp.program(machine), MACHINES[machine]
    assert decide(program, audit, clone, 0x3D0F00) == ALLOW  # as pthread_create asks for it
    assert decide(program, audit, clone, 0x01200011) == ALLOW  # as fork asks for it
    for flag in (1 << 17, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30):
        assert decide(program, audit, clone, flag | 17) == ERRNO | errno.EPERM
    assert decide(program, audit, 435) == ERRNO | errno.ENOSYS


CALLS = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def answer(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(a) for a in arguments])
    return errno.errorcode.get(ctypes.get_errno(), 0) if result == -1 else 'done'
"""


def test_the_kernel_follows_the_filter(run: Run) -> None:
    numbers = seccomp.denied_calls()
    ran = run(CALLS + f"for n in {sorted(numbers.values())}: print(answer(n, 0, 0, 0, 0))")
    assert set(ran.text.split()) == {"EPERM"}
    assert len(ran.text.split()) == len(numbers)


def test_namespaces_terminal_injection_and_odd_sockets_are_refused(run: Run) -> None:
    machine = platform.machine()
    clone, ioctl = {"x86_64": (56, 16), "aarch64": (220, 29)}[machine]
    ran = run(
        CALLS + f"print(answer({clone}, 0x10000000 | 17, 0, 0, 0, 0), answer(435, 0, 0))\n"
        f"print(answer({ioctl}, 0, 0x5412, 0), answer({ioctl}, 0, 0x541C, 0))\n"
        f"print(answer({ioctl}, 0, 0x1_0000_5412, 0))\n"
        "for family in range(3, 46):\n"
        "    if family != socket.AF_INET6:\n"
        "        try: socket.socket(family, socket.SOCK_DGRAM); print('made', family)\n"
        "        except OSError as error: assert error.errno == errno.EAFNOSUPPORT, error\n"
        "left, right = socket.socketpair(); left.send(b'x'); print(right.recv(1))"
    )
    assert ran.text.splitlines() == ["EPERM ENOSYS", "EPERM EPERM", "EPERM", "b'x'"]


def test_a_32_bit_call_kills(run: Run) -> None:
    if platform.machine() != "x86_64":
        assert seccomp.supported("aarch64")
        return
    # mov eax, 20 (getpid); int 0x80; ret
    ran = run(
        "import ctypes, mmap\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))\n"
        "address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(address)()\n"
        "print('survived')"
    )
    assert (ran.text, ran.outcome.signal) == ("", 31)


def test_an_unknown_machine_has_no_filter() -> None:
    assert not seccomp.supported("riscv64")
    with pytest.raises(KeyError):
        seccomp.program("riscv64")


def test_the_page_cache_can_neither_be_asked_nor_told(run: Run) -> None:
    ran = run(
        "import ctypes, errno, os\n"
        "file = os.open(os.__file__, os.O_RDONLY)\n"
        "os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # taken, and not followed\n"
        "print(len(os.preadv(file, [bytearray(1)], 0) * b'x'))\n"
        "try: os.preadv(file, [bytearray(1)], 0, os.RWF_NOWAIT)\n"
        "except OSError as error: print(errno.errorcode[error.errno])\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        "at = ctypes.c_void_p(libc.mmap(None, 4096, 1, 2, file, 0))\n"
        "for name, last in (('mincore', ctypes.create_string_buffer(1)), ('madvise', 21)):\n"
        "    answer = getattr(libc, name)(at, ctypes.c_size_t(4096), last)\n"
        "    print(name, answer, errno.errorcode.get(ctypes.get_errno()))\n"
        "print(libc.madvise(at, ctypes.c_size_t(4096), 4))  # MADV_DONTNEED goes on working\n"
    )
    assert ran.text.splitlines() == ["1", "ENOTSUP", "mincore -1 EPERM", "madvise -1 EINVAL", "0"]


@pytest.mark.parametrize(
    ("machine", "madvise", "preadv2", "advice"),
    [("x86_64", 28, 327, (221, 187)), ("aarch64", 233, 286, (223, 213))],
)
def test_only_what_touches_the_page_cache_is_refused(
    machine: str, madvise: int, preadv2: int, advice: tuple[int, ...]
) -> None:
    program, audit = seccomp.program(machine), MACHINES[machine]
    assert {decide(program, audit, call) for call in advice} == {ERRNO}
    assert decide(program, audit, madvise, 0, 4096, 4) == ALLOW
    assert decide(program, audit, madvise, 0, 4096, 20) == ERRNO | errno.EINVAL
    assert decide(program, audit, preadv2, 3, 0, 1, 0, 0, 0) == ALLOW
    assert decide(program, audit, preadv2, 3, 0, 1, 0, 0, 8) == ERRNO | errno.EOPNOTSUPP
