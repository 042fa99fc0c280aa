from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from bot.git import Repository
from bot.run import heartbeat
from bot.run.state import Cap, Phase, SlotState, State
from bot.views.running import summary_lines
from tests.bot.lab import make_repository

NOW = 1_800_000_000.0
STATE = State(
    started=NOW - 7_200,
    now=NOW,
    phase=Phase.WORKING,
    slots=(SlotState("0", "4.1", 4, 1, 3, NOW - 400), SlotState("1")),
    thinking=2,
    queue=(5, 6),
    concluded=7,
    merged=1,
    best=11.5,
    usd=1.25,
    busy=0.985,
    caps=(Cap("--hours", 2.0, 10.0),),
)


def test_a_monitor_reads_what_was_written_and_whether_it_lives(tmp_path: Path) -> None:
    repository = Repository(make_repository(tmp_path))
    assert heartbeat.read(repository) is None
    heartbeat.write(repository, STATE)
    beat = heartbeat.read(repository)
    assert beat is not None and beat.state == STATE and beat.pid == os.getpid()
    assert beat.alive(NOW + 60)
    assert not beat.alive(NOW + heartbeat.SILENT_S + 1)
    heartbeat.write(repository, replace(STATE, phase=Phase.ENDED))
    ended = heartbeat.read(repository)
    assert ended is not None and not ended.alive(NOW)


def test_a_damaged_heartbeat_is_none(tmp_path: Path) -> None:
    repository = Repository(make_repository(tmp_path))
    (repository.common_folder() / heartbeat.FILE_NAME).write_text('{"pid": "x"')
    assert heartbeat.read(repository) is None


def test_what_a_killed_run_was_writing_is_removed_and_nothing_else(tmp_path: Path) -> None:
    repository = Repository(make_repository(tmp_path))
    heartbeat.write(repository, STATE)
    folder = repository.common_folder()
    before = {path.name for path in folder.iterdir()}
    (folder / "mergelab-heartbeat.4711").write_text('{"pid": 47')
    heartbeat.tidy(repository)
    assert {path.name for path in folder.iterdir()} == before
    assert heartbeat.read(repository) is not None


def test_the_lines_below_the_table_tell_queue_best_spend_share_and_caps() -> None:
    told = "\n".join(summary_lines(STATE, "mean_rank"))
    for words in ("#5, #6", "thought of: 2", "7 verdicts, 1 merged", "11.5", "98%", "$1.25"):
        assert words in told
    assert "--hours 2 of 10" in told
    waiting = replace(STATE, phase=Phase.WAITING, note="The forge does not answer.")
    assert "waiting: The forge does not answer." in "\n".join(summary_lines(waiting, "x"))
