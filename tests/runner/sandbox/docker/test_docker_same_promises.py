"""What every backend promises, by the very tests that bubblewrap passes."""

from __future__ import annotations

import pytest

from tests.runner.sandbox import test_output_folder
from tests.runner.sandbox.conftest import Run
from tests.runner.sandbox.test_bubblewrap import (  # noqa: F401 - collected from here
    test_a_job_that_contradicts_itself_is_refused,
    test_a_program_killed_by_itself_is_not_taken_for_out_of_memory,
    test_an_honest_job_runs_and_its_output_is_collected,
    test_collected_files_are_readable_for_the_next_sandbox_whatever_their_modes_were,
    test_exit_codes_and_signals_are_told_apart,
    test_no_descriptor_leaks_in,
    test_output_is_passed_on_while_the_job_runs,
    test_several_run_at_once,
    test_the_environment_is_exactly_the_contract,
    test_the_output_folder_must_be_empty,
    test_there_is_no_terminal,
)
from tests.runner.sandbox.test_interruption import (  # noqa: F401
    test_an_interrupted_run_leaves_nothing_and_raises_again,
    test_descriptors_do_not_pile_up,
)
from tests.runner.sandbox.test_limits import (  # noqa: F401
    test_a_child_killed_for_memory_ends_the_job_even_if_the_parent_carries_on,
    test_a_flood_of_output_is_bounded_and_its_end_kept,
    test_a_fork_bomb_is_stopped,
    test_a_memory_bomb_ends_as_out_of_memory,
    test_a_reader_that_is_stuck_does_not_hold_up_the_deadline,
    test_anonymous_shared_memory_counts,
    test_full_folders_refuse_more,
    test_memory_is_counted_over_all_processes,
    test_memory_that_processes_share_counts_once,
    test_no_core_is_dumped,
    test_open_files_are_limited,
    test_temporary_files_are_memory,
    test_the_deadline_kills_what_forks_twice_detaches_and_ignores_signals,
    test_threads_count_as_processes,
    test_what_a_job_leaves_running_dies_with_it,
)
from tests.runner.sandbox.test_output_folder import (  # noqa: F401
    test_a_full_output_folder_at_the_limit_is_fine,
    test_files_without_read_permission_never_surprise,
    test_the_folder_itself_may_be_mistreated,
)


@pytest.mark.parametrize("what", sorted(set(test_output_folder.HOSTILE) - {"a socket"}))
def test_hostile_output_is_refused(run: Run, what: str) -> None:
    test_output_folder.test_it_is_refused(run, what)


def test_a_socket_is_not_taken(run: Run) -> None:
    """Engines leave sockets out of what they pack, so that it cannot be seen that one was there."""
    ran = run("import socket; socket.socket(socket.AF_UNIX).bind('/out/s'); open('/out/x', 'w')")
    assert ran.files == {"x"}
