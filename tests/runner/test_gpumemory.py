from __future__ import annotations

import time
from typing import Any

import pytest

from runner.gpumemory import watched

UUID = "GPU-11111111-aaaa-bbbb-cccc-000000000001"


class Library:
    """Stands in for the driver's library, with one card that holds 100 bytes."""

    def __init__(self) -> None:
        self.used = 100
        self.looks = 0
        self.open = 0
        self.broken = False

    def nvmlInit_v2(self) -> int:
        self.open += 1
        return 0

    def nvmlShutdown(self) -> int:
        self.open -= 1
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, card: Any) -> int:
        card._obj.value = 7
        return 0 if index.value == 0 else 2

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, card: Any) -> int:
        card._obj.value = 7
        return 0 if uuid == UUID.encode() else 6

    def nvmlDeviceGetMemoryInfo(self, card: Any, memory: Any) -> int:
        assert card.value == 7
        self.looks += 1
        memory._obj.used = self.used
        return 999 if self.broken else 0

    def hold(self, used: int) -> None:
        """Hold so many bytes until it was looked at."""
        self.used = used
        before = self.looks
        while self.looks < before + 2:
            time.sleep(0.001)


@pytest.mark.parametrize("gpu", ["0", UUID])
def test_the_most_memory_above_what_was_held_before_is_told(gpu: str) -> None:
    library = Library()
    with watched(gpu, library, 0.001) as peak:
        for used in (400, 900, 300):
            library.hold(used)
    assert peak.bytes == 800
    assert library.open == 0


@pytest.mark.parametrize("gpu", [None, "1", "GPU-unknown"])
def test_without_such_a_card_nothing_is_known(gpu: str | None) -> None:
    library = Library()
    with watched(gpu, library, 0.001) as peak:
        pass
    assert peak.bytes is None
    assert library.open == 0


def test_a_driver_that_fails_or_lacks_functions_or_is_not_there_disturbs_nothing() -> None:
    broken = Library()
    broken.broken = True
    for library in (broken, object(), None):
        with watched("0", library, 0.001) as peak:
            pass
        assert peak.bytes is None


def test_it_stops_looking_when_the_run_is_interrupted() -> None:
    library = Library()
    with pytest.raises(KeyboardInterrupt), watched("0", library, 0.001) as peak:
        library.hold(150)
        raise KeyboardInterrupt
    assert peak.bytes == 50
    looks = library.looks
    time.sleep(0.02)
    assert library.looks == looks
