from __future__ import annotations

import os
import time

import pytest

from runner.sandbox.base import Ended
from tests.runner.sandbox.conftest import MIB, Run, alive

ENFORCEMENT = ["control groups", "watcher"]


@pytest.fixture(params=ENFORCEMENT)
def enforced(request: pytest.FixtureRequest) -> str:
    """With what the machine offers, and with the watcher alone."""
    if request.param == "watcher":
        request.getfixturevalue("without_control_groups")
    return str(request.param)


def test_a_memory_bomb_ends_as_out_of_memory(run: Run, enforced: str) -> None:
    ran = run("kept = []\nwhile True: kept.append(bytearray(1 << 20))", memory_bytes=96 * MIB)
    assert ran.outcome.ended is Ended.OUT_OF_MEMORY
    assert "memory" in ran.outcome.note
    assert not alive(ran.mark)
    peak = ran.outcome.peak_memory_bytes
    assert peak is not None
    assert peak > 64 * MIB


def test_memory_is_counted_over_all_processes(run: Run, enforced: str) -> None:
    ran = run(
        "import os, time\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(b'x' * (40 << 20)); time.sleep(60)\n"
        "time.sleep(60)",
        memory_bytes=128 * MIB,
    )
    assert ran.outcome.ended is Ended.OUT_OF_MEMORY


def test_memory_that_processes_share_counts_once(run: Run, enforced: str) -> None:
    ran = run(
        "import os, time\n"
        "kept = bytes(bytearray(b'x') * (48 << 20))\n"
        "children = []\n"
        "for _ in range(6):\n"
        "    child = os.fork()\n"
        "    if child == 0: time.sleep(0.4); os._exit(0)\n"
        "    children.append(child)\n"
        "for child in children: os.waitpid(child, 0)\n"
        "print('done')",
        memory_bytes=200 * MIB,
    )
    assert (ran.outcome.ended, ran.text) == (Ended.EXITED, "done\n")


def test_anonymous_shared_memory_counts(run: Run, enforced: str) -> None:
    ran = run(
        "import mmap, time\n"
        "kept = mmap.mmap(-1, 400 << 20)\n"
        "for n in range(0, len(kept), 4096): kept[n] = 1\n"
        "time.sleep(60)",
        memory_bytes=128 * MIB,
    )
    assert ran.outcome.ended is Ended.OUT_OF_MEMORY


def test_temporary_files_are_memory(run: Run, enforced: str) -> None:
    ran = run(
        "import time\n"
        "for folder in ('/tmp', '/dev/shm'):\n"
        "    with open(folder + '/big', 'wb') as file:\n"
        "        for _ in range(100): file.write(b'x' * (1 << 20))\n"
        "time.sleep(60)",
        memory_bytes=128 * MIB,
        scratch_bytes=256 * MIB,
        shared_memory_bytes=256 * MIB,
    )
    assert ran.outcome.ended is Ended.OUT_OF_MEMORY


def test_a_child_killed_for_memory_ends_the_job_even_if_the_parent_carries_on(
    run: Run, enforced: str
) -> None:
    ran = run(
        "import os\n"
        "if os.fork() == 0:\n"
        "    kept = []\n"
        "    while True: kept.append(bytearray(1 << 20))\n"
        "os.wait(); open('/out/result', 'w').write('as if nothing had been')",
        memory_bytes=96 * MIB,
    )
    assert ran.outcome.ended is Ended.OUT_OF_MEMORY
    assert ran.files == set()


def test_a_fork_bomb_is_stopped(run: Run, enforced: str) -> None:
    ran = run(
        "import os, time\n"
        "made = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0: time.sleep(60)\n"
        "        made += 1\n"
        "except OSError: print(made, flush=True)\n",
        processes=32,
    )
    assert ran.outcome.ended is Ended.EXITED
    assert 16 <= int(ran.text) <= 36
    assert not alive(ran.mark)


def test_threads_count_as_processes(run: Run, enforced: str) -> None:
    ran = run(
        "import threading, time\n"
        "try:\n"
        "    for made in range(1000):\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "except RuntimeError: print(made)\n",
        processes=32,
    )
    assert 16 <= int(ran.text) <= 36


def test_the_deadline_kills_what_forks_twice_detaches_and_ignores_signals(run: Run) -> None:
    ran = run(
        "import os, signal, time\n"
        "for number in range(1, 65):\n"
        "    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os.close(1); os.close(2)\n"
        "            while True: time.sleep(0.01)\n"
        "while True:\n"
        "    open('/out/late', 'w').write(str(time.time()))",
        wall_s=0.7,
    )
    assert ran.outcome.ended is Ended.TIMED_OUT
    assert not alive(ran.mark)
    assert ran.files == set(), "what a job leaves that did not end by itself is not taken"


def test_what_a_job_leaves_running_dies_with_it(run: Run) -> None:
    ran = run(
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    while True: time.sleep(1)\n"
        "open('/out/done', 'w').write('x')",
    )
    assert ran.outcome.exit_code == 0
    assert ran.files == {"done"}
    assert not alive(ran.mark)


def test_a_reader_that_is_stuck_does_not_hold_up_the_deadline(run: Run) -> None:
    output = b""

    def stuck(chunk: bytes) -> None:
        nonlocal output
        output += chunk
        mark, line_ended, _ = output.decode().partition("\n")
        while line_ended and alive(mark):
            time.sleep(0.01)

    ran = run(
        "import sys\nprint(sys.argv[1], flush=True)\nwhile True: pass", on_output=stuck, wall_s=3
    )
    assert ran.outcome.ended is Ended.TIMED_OUT
    assert output.decode() == f"{ran.mark}\n"


def test_a_job_stays_on_the_cores_of_its_runner(run: Run) -> None:
    cores = os.sched_getaffinity(0)
    mine = max(cores)
    os.sched_setaffinity(0, {mine})
    try:
        ran = run(
            "import os\n"
            "try: os.sched_setaffinity(0, range(os.cpu_count()))\n"
            "except PermissionError: print('refused', sorted(os.sched_getaffinity(0)))"
        )
    finally:
        os.sched_setaffinity(0, cores)
    assert ran.text == f"refused [{mine}]\n"


def test_a_flood_of_output_is_bounded_and_its_end_kept(run: Run) -> None:
    ran = run(
        "import sys\nfor _ in range(3000): sys.stdout.write('x' * 1000)\nprint('the end')",
        log_bytes=5000,
    )
    assert ran.outcome.ended is Ended.EXITED
    assert ran.outcome.log_bytes_total == 3_000_008
    assert len(ran.outcome.log_tail) == 5000
    assert ran.text.endswith("x" * 100 + "the end\n")


def test_full_folders_refuse_more(run: Run) -> None:
    ran = run(
        "import os\n"
        "for folder in ('/tmp', '/dev/shm', '/out'):\n"
        "    try:\n"
        "        with open(folder + '/big', 'wb') as file:\n"
        "            for _ in range(64): file.write(b'x' * (1 << 20)); file.flush()\n"
        "    except OSError as error: print(folder, error.strerror)\n"
        "    os.truncate(folder + '/big', 0)\n"
    )
    assert [line.split()[0] for line in ran.text.splitlines()] == ["/tmp", "/dev/shm", "/out"]
    assert {line.partition(" ")[2] for line in ran.text.splitlines()} <= {
        "No space left on device", "File too large",
    }  # fmt: skip


def test_open_files_are_limited(run: Run, enforced: str) -> None:
    ran = run(
        "import os\n"
        "kept = []\n"
        "try:\n"
        "    while True: kept.append(os.dup(0))\n"
        "except OSError as error: print(len(kept), error.strerror)\n"
    )
    count, _, reason = ran.text.strip().partition(" ")
    assert int(count) < 4096
    assert reason == "Too many open files"


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm", "/out"])
def test_very_many_tiny_files_end_in_a_limit(run: Run, folder: str) -> None:
    ran = run(
        f"import os\nfor n in range(3_000_000): os.close(os.open(f'{folder}/{{n}}', os.O_CREAT))",
        memory_bytes=1 << 30,
    )
    assert ran.outcome.ended in (Ended.OUTPUT_LIMIT, Ended.OUT_OF_MEMORY)
    assert ran.files == set()


def test_very_many_sockets_end_in_a_limit(run: Run) -> None:
    ran = run(
        "import os, socket, time\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0: break\n"
        "kept = [socket.socketpair() for _ in range(400)]\n"
        "time.sleep(60)"
    )
    assert ran.outcome.ended is Ended.OUT_OF_MEMORY
    assert "sockets" in ran.outcome.note


def test_no_core_is_dumped(run: Run) -> None:
    ran = run("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))")
    assert ran.text == "(0, 0)\n"
