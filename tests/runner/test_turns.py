from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.turns import SHARE_VARIABLE, turn

HOLD = """
import sys
from pathlib import Path
from runner.turns import turn
with turn(sys.argv[1], lambda: print("waits", flush=True), Path(sys.argv[2])):
    print("has it", flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that wants a turn."""

    def __init__(self, device: str, place: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, device, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.communicate()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(SHARE_VARIABLE, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return tmp_path


@pytest.fixture
def holder(place: Path) -> Iterator[Holder]:
    """Another process that has its turn on `cpu`."""
    made = Holder("cpu", place)
    assert made.says() == "has it"
    yield made
    if made.process.poll() is None:
        made.end()


def nobody_waits() -> None:
    raise AssertionError("nobody else has it")


def test_another_process_waits_says_so_and_goes_on_after_the_turn(place: Path) -> None:
    with turn("cpu", nobody_waits, place):
        other = Holder("cpu", place)
        assert other.says() == "waits"
    assert other.says() == "has it"
    other.end()


def test_waiting_ends_when_the_other_process_is_killed(place: Path, holder: Holder) -> None:
    waited: list[str] = []

    def kill() -> None:
        waited.append("once")
        holder.process.kill()

    with turn("cpu", kill, place):
        assert waited == ["once"]


def test_waiting_can_be_interrupted(place: Path, holder: Holder) -> None:
    soon = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), turn("cpu", soon.start, place):
        raise AssertionError("the other process has it")
    assert holder.process.poll() is None


@pytest.mark.usefixtures("holder")
def test_another_device_is_free(place: Path) -> None:
    with turn("nvidia0", nobody_waits, place):
        pass


@pytest.mark.usefixtures("holder")
def test_a_person_can_have_measurements_share_the_machine(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SHARE_VARIABLE, "1")
    with turn("cpu", nobody_waits, place):
        pass


def test_a_turn_inside_a_turn_of_the_same_process_is_free(place: Path) -> None:
    with turn("cpu", nobody_waits, place), turn("cpu", nobody_waits, place):
        pass
    other = Holder("cpu", place)
    assert other.says() == "has it"
    other.end()


def test_the_file_can_be_opened_by_every_user_and_written_by_none(place: Path) -> None:
    mask = os.umask(0o077)
    try:
        with turn("cpu", nobody_waits, place):
            assert (place / "mergelab-cpu.lock").stat().st_mode & 0o777 == 0o444
    finally:
        os.umask(mask)


def test_a_file_that_was_removed_meanwhile_is_made_again(place: Path, holder: Holder) -> None:
    file = place / "mergelab-cpu.lock"

    def remove_and_end() -> None:
        file.unlink()
        holder.end()

    with turn("cpu", remove_and_end, place):
        other = Holder("cpu", place)
        assert other.says() == "waits"
    assert other.says() == "has it"
    other.end()


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe", "forbidden folder"])
def test_what_somebody_put_in_the_way_is_named_and_not_touched(place: Path, kind: str) -> None:
    file, victim = place / "mergelab-cpu.lock", place / "victim"
    match kind:
        case "link":
            victim.write_text("mine")
            file.symlink_to(victim)
        case "dangling link":
            file.symlink_to(victim)
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "forbidden folder":
            place = place / "nowhere"
    told = rf"{place}/mergelab-cpu.lock.*{SHARE_VARIABLE}=1"
    with pytest.raises(RunnerError, match=told), turn("cpu", nobody_waits, place):
        raise AssertionError("there is no lock")
    assert victim.exists() == (kind == "link")
