from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.gpu import Gpu, find_gpu
from runner.interpreter import Interpreter
from runner.settings import BudgetTable

UUID = "GPU-11111111-aaaa-bbbb-cccc-000000000001"


@dataclass(frozen=True)
class Machine:
    """A device tree, an interpreter that counts how often it is asked, and a cache."""

    place: Path

    def boot(self, name: str = "first", uuid: str = UUID, model: str = "NVIDIA Test") -> None:
        for folder in ("proc/driver/nvidia/gpus/0000:01:00.0", "proc/sys/kernel/random", "dev"):
            (self.place / folder).mkdir(parents=True, exist_ok=True)
        (self.place / "proc/sys/kernel/random/boot_id").write_text(f"{name}\n")
        (self.place / "proc/driver/nvidia/version").write_text(
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.10  Thu Jan\nGCC version: 12\n"
        )
        (self.place / "proc/driver/nvidia/gpus/0000:01:00.0/information").write_text(
            f"Model: \t\t {model}\nGPU UUID: \t {uuid}\nDevice Minor: \t 0\n"
        )
        (self.place / "dev/nvidia0").touch()

    def torch_says(self, seen: bool, name: str = "NVIDIA Test") -> None:
        answer = json.dumps({"seen": seen, "name": name})
        python = self.place / "python"
        python.write_text(f"#!/bin/sh\necho asked >> {self.place}/asked\necho '{answer}'\n")
        python.chmod(0o755)

    def find(self, profile: str = "auto", torch: str = "2.13.0+cu128") -> Gpu | None:
        return find_gpu(
            BudgetTable.model_validate({"profile": profile}),
            Interpreter(self.place / "python", "CPython 3.11.7", torch),
            self.place / "cache",
            self.place / "proc",
            self.place / "dev",
        )

    @property
    def asked(self) -> int:
        file = self.place / "asked"
        return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with one card that torch sees."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    made = Machine(tmp_path)
    made.boot()
    made.torch_says(True)
    return made


def test_the_card_that_torch_sees_is_found_and_asked_for_once(machine: Machine) -> None:
    found = Gpu(index="0", name="NVIDIA Test", driver="570.86.10")
    assert [machine.find(), machine.find()] == [found, found]
    assert machine.asked == 1


def test_without_a_device_torch_is_not_asked(machine: Machine) -> None:
    (machine.place / "dev/nvidia0").unlink()
    assert machine.find() is None
    assert machine.asked == 0


def test_the_cpu_profile_and_an_interpreter_without_torch_need_no_question(
    machine: Machine,
) -> None:
    assert machine.find(profile="cpu") is None
    assert machine.find(torch="") is None
    assert machine.asked == 0


def test_that_no_gpu_is_seen_is_not_remembered(machine: Machine) -> None:
    machine.torch_says(False, "")
    assert machine.find() is None
    machine.torch_says(True)
    assert machine.find() is not None


def test_the_profile_gpu_without_one_is_an_error_that_says_what_to_do(machine: Machine) -> None:
    machine.torch_says(False, "")
    with pytest.raises(RunnerError, match=r"nvidia-smi.*budget\.profile"):
        machine.find(profile="gpu")
    (machine.place / "dev/nvidia0").unlink()
    with pytest.raises(RunnerError, match="no CUDA device"):
        machine.find(profile="gpu")


@pytest.mark.parametrize(
    "change",
    [{"uuid": UUID[:-1] + "2"}, {"model": "NVIDIA Other"}, {"name": "another machine"}],
    ids=["another card of the kind", "another kind of card", "another machine"],
)
def test_an_answer_counts_for_its_card_and_machine_only(
    machine: Machine, change: dict[str, str]
) -> None:
    machine.find()
    machine.boot(**change)
    machine.torch_says(True, "NVIDIA Other")
    again = machine.find()
    assert again is not None
    assert again.name == "NVIDIA Other"


def test_the_first_visible_device_is_taken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{UUID},1")
    found = machine.find()
    assert found is not None
    assert found.index == UUID


def test_no_visible_device_is_another_question_than_an_open_choice(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.find()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    machine.torch_says(False, "")
    assert machine.find() is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"seen": "?"}', b"\xff"])
def test_a_damaged_answer_in_the_cache_is_asked_for_again(machine: Machine, content: bytes) -> None:
    machine.find()
    (kept,) = (machine.place / "cache").iterdir()
    kept.write_bytes(content)
    assert machine.find() is not None
    assert machine.asked == 2
