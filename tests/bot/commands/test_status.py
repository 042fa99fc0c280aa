from __future__ import annotations

import time
from dataclasses import replace

import pytest

from bot.lock import at_work, only_one
from bot.model import Purpose
from bot.run import heartbeat
from bot.run.state import Phase, SlotState, State
from tests.bot.commands.helpers import bot, bot_json, with_rate
from tests.bot.lab import Lab


def test_before_anything_was_done(lab: Lab) -> None:
    told = bot_json("status")
    assert told["finished"] == 0
    assert told["baseline"] == {"metric": None, "runs": 0}
    assert (told["noise"], told["open"], told["runner_class"]) == (None, [], "")
    assert told["next"] == "think of a new hypothesis"
    assert told["expected_false_merges"] == 0


def test_where_the_programme_stands(history: Lab) -> None:
    told = bot_json("status")
    assert (told["finished"], told["merged"]) == (3, 1)
    assert told["reasons"] == {"improvement": 1, "worse": 1, "crashed": 1}
    assert told["baseline"]["metric"] == pytest.approx(10, abs=0.5)
    assert told["noise"]["relative"] is True
    assert told["noise"]["standard_deviation"] == pytest.approx(0.005, rel=0.9)
    assert told["expected_false_merges"] == pytest.approx(0.012)
    assert told["spent"]["experiments"] == 3
    assert told["spent"]["gpu_hours"] > 0


def test_an_open_experiment_is_shown_with_its_runs_and_what_comes_next(history: Lab) -> None:
    number = history.experiment(with_rate(2.5), "Between")
    (one,) = bot_json("status")["open"]
    assert one == {"number": number, "title": "Between", "runs": 0, "missing": 0}
    assert bot_json("status")["next"] == f"measure #{number} to {Purpose.SCREEN}"
    history.act()
    (one,) = bot_json("status")["open"]
    assert one["runs"] > 0


def test_a_cap_that_is_reached_is_told(history: Lab) -> None:
    (history.folder / "bot.toml").write_text("[caps]\nmax_experiments = 3\n")
    told = bot_json("status")
    assert told["caps"]["max_experiments"] == 3
    assert "caps.max_experiments = 3 is reached" in told["cap_reached"]
    assert "caps.max_experiments = 3 is reached" in bot("status").stdout


def test_whether_somebody_is_at_work(lab: Lab) -> None:
    repository = lab.place.repository
    assert not at_work(repository)
    with only_one(repository):
        assert at_work(repository)
        assert bot_json("status")["at_work"] is True
    assert not at_work(repository)


def test_it_is_told_in_words(history: Lab) -> None:
    lines = dict(line.split("\t", 1) for line in bot("status").stdout.splitlines())
    assert lines["finished"] == "3 experiments, 1 merged"
    assert lines["noise"].startswith("a run varies by 0.")
    assert lines["at work now"] == "no"


def test_a_run_that_is_alive_tells_what_it_measures(history: Lab) -> None:
    slots = (SlotState("gpu0", "4.1", 4, 1, 3), SlotState("gpu1"))
    state = State(time.time() - 60, time.time(), Phase.WORKING, slots, concluded=2, busy=0.9)
    heartbeat.write(history.place.repository, state)
    told = bot_json("status")["run"]
    assert (told["phase"], told["concluded"]) == ("working", 2)
    assert told["slots"][0] == {"name": "gpu0", "experiment": 4, "done": 1, "total": 3}
    assert "gpu0 measures #4 (1 of 3 runs)" in bot("status").stdout
    heartbeat.write(history.place.repository, replace(state, phase=Phase.ENDED))
    assert bot_json("status")["run"] is None
