"""The filter that engines are given says what bubblewrap's filter says."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sandbox import seccomp
from runner.sandbox.docker.filter import ALLOWED, everything_but, profile, supported

MACHINES = ("x86_64", "aarch64")
WORDS = st.integers(0, 2**64 - 1)


def decide(call: str, *arguments: int, machine: str = "x86_64") -> int | None:
    """The error that a call ends with, or None if it is allowed."""
    told = json.loads(profile(machine))
    held = {
        _answer(rule)
        for rule in told["syscalls"]
        if call in rule["names"] and all(_matches(one, arguments) for one in rule["args"])
    }
    assert len(held) <= 1, "rules contradict each other"
    assert told["defaultAction"] == "SCMP_ACT_ERRNO"
    return held.pop() if held else errno.EPERM


def _answer(rule: dict[str, Any]) -> int | None:
    return None if rule["action"] == "SCMP_ACT_ALLOW" else int(rule["errnoRet"])


def _matches(condition: dict[str, Any], arguments: tuple[int, ...]) -> bool:
    assert condition["op"] == "SCMP_CMP_MASKED_EQ"
    return bool(arguments[condition["index"]] & condition["value"] == condition["valueTwo"])


@pytest.mark.parametrize("machine", MACHINES)
def test_what_the_deny_list_names_is_not_allowed_with_any_arguments(machine: str) -> None:
    denied = seccomp.denied_calls(machine)
    assert len(denied) > 50
    for rule in json.loads(profile(machine))["syscalls"]:
        assert not denied.keys() & set(rule["names"])
    assert not ALLOWED & denied.keys()


@pytest.mark.parametrize("machine", MACHINES)
def test_only_the_machines_own_calls_are_known(machine: str) -> None:
    [architecture] = json.loads(profile(machine))["architectures"]
    assert architecture == f"SCMP_ARCH_{machine.upper()}"


def test_what_every_program_needs_is_allowed() -> None:
    for call in ("read", "mmap", "futex", "execve", "openat", "exit_group", "sched_getaffinity"):
        assert decide(call) is None


def test_a_call_that_nobody_has_looked_at_is_refused() -> None:
    assert decide("a_call_of_the_future") == errno.EPERM
    assert decide("cachestat") == errno.EPERM


def test_threads_may_be_made_and_namespaces_not() -> None:
    assert decide("clone", 0x3D0F00) is None
    for flag in (1 << 17, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30):
        assert decide("clone", flag | 17) == errno.EPERM
    assert decide("clone3") == errno.ENOSYS


@pytest.mark.parametrize("call", ["socket", "socketpair"])
@given(family=st.integers(0, 60), above=st.integers(0, 2**32 - 1))
def test_sockets_are_of_three_families(call: str, family: int, above: int) -> None:
    word = above << 32 | family  # the kernel does not look at the upper half
    assert decide(call, word) == (None if family in (1, 2, 10) else errno.EPERM)


@given(request=WORDS)
def test_no_terminal_can_be_typed_into(request: int) -> None:
    forbidden = request & 0xFFFFFFFF in (0x5412, 0x541C)
    assert decide("ioctl", 0, request) == (errno.EPERM if forbidden else None)
    for injection in (0x5412, 0x541C):
        assert decide("ioctl", 0, (request >> 32 << 32) | injection) == errno.EPERM


def test_the_page_cache_can_neither_be_asked_nor_told() -> None:
    assert (decide("fadvise64"), decide("readahead")) == (0, 0)  # taken, and not followed
    assert [decide("madvise", 0, 1, advice) for advice in (20, 21)] == [errno.EPERM] * 2
    assert [decide("madvise", 0, 1, advice) for advice in (0, 4, 14, 19, 22)] == [None] * 5
    assert decide("preadv2", 3, 0, 1, 0, 0, 0) is None
    assert decide("preadv2", 3, 0, 1, 0, 0, 8) == errno.EPERM


@given(
    forbidden=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4).map(tuple),
    word=st.integers(0, 2**32 - 1),
)
def test_everything_but_some_words_is_put_into_equalities(
    forbidden: tuple[int, ...], word: int
) -> None:
    pairs = list(everything_but(forbidden))
    assert sum(word & mask == value for mask, value in pairs) == (word not in forbidden)
    for one in forbidden:
        assert not any(one & mask == value for mask, value in pairs)


def test_an_unknown_machine_has_no_filter() -> None:
    assert supported("x86_64")
    assert not supported("riscv64")
