"""All attacks, by family."""

from __future__ import annotations

from runner.redteam.case import Case, Family
from runner.result import Status

_OK = frozenset({Status.OK})
_INVALID = frozenset({Status.INVALID_OUTPUT})
_TIMED_OUT = frozenset({Status.TIMED_OUT})
_CRASHED = frozenset({Status.CRASHED})
_MEMORY = frozenset({Status.OUT_OF_MEMORY})
# A bomb may end in the limit that it aims at, in another one on the way, or at the deadline.
_STOPPED = _MEMORY | _TIMED_OUT | _CRASHED | _INVALID
_PRINTED = "what is printed is no result: the metric comes from the scorer alone"
_CLEANED = "the log is cleaned and bounded, and is never more than text"


def _many(family: Family, *names: str, **more: object) -> tuple[Case, ...]:
    return tuple(Case(family, name, **more) for name in names)  # type: ignore[arg-type]


def _reading() -> tuple[Case, ...]:
    return (
        *_many(
            Family.READING, "targets_by_path", "whole_file_system", "mountinfo_paths",
            "dot_dot_from_data", "other_processes", "environment", "inputs_in_training",
            "other_group", "art_packages", "kernel_files", "descriptors",
            otherwise="nothing secret came out of the sandbox",
        ),
        Case(Family.READING, "symlinks_in_output", ends=_INVALID),
    )  # fmt: skip


def _forging() -> tuple[Case, ...]:
    plain = Family.FORGING
    return (
        *_many(plain, "printed_metric", "result_files", "events", otherwise=_PRINTED),
        *_many(plain, "ties", "nearly_ties", otherwise="ties count against the candidate"),
        Case(plain, "positions", otherwise="the orders are secret: positions say nothing"),
        *_many(
            plain, "not_a_number", "infinite", "overflow", "wrong_rows", "pickled_object",
            "bare_pickle", "header_code", "nested_header", "giant_shape", "huge_file",
            "complex_numbers", "link_to_targets", "hard_links", "named_pipe", "socket_file",
            "folder_as_file", "names",
            ends=_INVALID,
        ),
        Case(plain, "both_groups", otherwise="each group is read from its own sandbox alone"),
        *_many(plain, "device_file"),
        # Root can read what nobody may read.
        Case(plain, "unreadable", ends=_OK | _INVALID, otherwise="read all the same, as data"),
        Case(plain, "late_output", ends=_OK | _INVALID,
             otherwise="all processes are dead before output is read"),
        Case(plain, "dots_in_names", ends=_INVALID),
        Case(plain, "good_in_the_smoke_run", ends=_INVALID, smoke=True),
    )  # fmt: skip


def _clocks() -> tuple[Case, ...]:
    dead = "the kernel killed them with the sandbox: no process is left"
    return (
        *_many(
            Family.CLOCKS, "patched_time", "ignores_signals", "after_the_deadline",
            "works_in_predict", "stopped",
            ends=_TIMED_OUT, hurry=True,
        ),
        Case(Family.CLOCKS, "detached_children", otherwise=dead),
        *_many(Family.CLOCKS, "set_clock", "priority"),
    )  # fmt: skip


def _resources() -> tuple[Case, ...]:
    plain = Family.RESOURCES
    return (
        *_many(plain, "fork_bomb", "log_flood", ends=_STOPPED, hurry=True),
        *_many(plain, "memory", "hidden_memory", ends=_MEMORY),
        *_many(plain, "sockets", "many_files", ends=_STOPPED, hurry=True),
        Case(plain, "sparse_files", ends=_INVALID),
        Case(plain, "deep_folders", ends=_INVALID),
        *_many(plain, "threads", "zombies", "memory_in_files", "memory_without_files",
               ends=_OK | _MEMORY),
        *_many(plain, "disk", "descriptors", "more_cores"),
        Case(plain, "slow_patterns", otherwise="the patterns are linear: reading took no longer"),
    )  # fmt: skip


def _state() -> tuple[Case, ...]:
    return (
        *_many(
            Family.STATE, "notes_for_the_next_run", "poisoned_runtime", "keyring",
            "leftover_helper", "kernel_queues",
            runs=2, otherwise="nothing of the first run was there in the second",
        ),
        Case(Family.STATE, "import_hooks", otherwise="no trusted process imports from there"),
        *_many(Family.STATE, "times_of_access", "page_cache", "kernel_counters",
               otherwise="the message did not arrive"),
        Case(Family.STATE, "gpu_memory", runs=2, gpu=True, otherwise="fresh memory is cleared"),
    )  # fmt: skip


def _escaping() -> tuple[Case, ...]:
    return (
        *_many(
            Family.ESCAPING, "mount", "namespaces", "chroot", "ptrace", "process_memory",
            "setuid_programs", "capabilities", "handles", "kernel_surface", "foreign_calls",
            "terminal", "own_terminal", "preload", "own_program_file", "kernel_settings",
            "modes_of_mounts",
        ),
        Case(Family.ESCAPING, "kill_others", ends=_CRASHED),  # all that it can kill is itself
    )  # fmt: skip


def _network() -> tuple[Case, ...]:
    return _many(
        Family.NETWORK, "internet", "name_service", "metadata", "host_services", "unix_sockets",
        "abstract_sockets", "raw_packets", "interfaces",
    )  # fmt: skip


def _talking() -> tuple[Case, ...]:
    plain = Family.TALKING
    return (
        *_many(plain, "terminal_escapes", "direction_and_invisible", "markup", otherwise=_CLEANED),
        *_many(plain, "prompt_injection", "fake_verdict", otherwise=_PRINTED),
        Case(plain, "secrets_from_predicting", otherwise="the log of predicting is not kept"),
        Case(plain, "secrets_in_exceptions", ends=_CRASHED),
        Case(plain, "secrets_in_names", ends=_INVALID),
    )


def _luck() -> tuple[Case, ...]:
    return (
        Case(Family.LUCK, "stacked_tries", ends=_INVALID),
        Case(Family.LUCK, "several_files", otherwise="one file is read, by its name"),
        Case(Family.LUCK, "crash_for_another_seed", ends=_CRASHED),
        Case(
            Family.LUCK, "own_seed", otherwise="the seed is the runner's, and luck is not evidence"
        ),
        Case(Family.LUCK, "best_of_many", otherwise="without targets it cannot tell which is best"),
    )


SUITE: tuple[Case, ...] = (
    *_reading(),
    *_forging(),
    *_clocks(),
    *_resources(),
    *_state(),
    *_escaping(),
    *_network(),
    *_talking(),
    *_luck(),
)
"""Every attack by a hostile file; those by a hostile change are in `runner.redteam.diffs`."""
