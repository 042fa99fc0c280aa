from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner import runner_class
from runner.gpu import Gpu
from runner.interpreter import Interpreter
from runner.result import RunnerClass
from runner.runner_class import cpu_model, describe

FACTS: dict[str, Any] = {
    "interpreter": Interpreter(Path("/a/python"), "CPython 3.11.7", "2.13.0", "0123456789abcdef"),
    "gpu": None,
    "budget_s": 30,
    "data": "1-small-abc",
    "data_digest": "d" * 64,
    "sandbox": "bubblewrap 0.11.0",
}
GPU = Gpu(index="0", name="NVIDIA Test", driver="570.86.10")


def described(**changes: Any) -> RunnerClass:
    return describe(**FACTS | changes)


def test_the_same_facts_make_the_same_class_wherever_the_interpreter_is() -> None:
    elsewhere = Interpreter(Path("/b/python"), "CPython 3.11.7", "2.13.0", "0123456789abcdef")
    assert described() == described(interpreter=elsewhere, budget_s=30.0)


@pytest.mark.parametrize(
    "change",
    [
        {"interpreter": Interpreter(Path("/a/python"), "CPython 3.11.8", "2.13.0", "01234")},
        {"interpreter": Interpreter(Path("/a/python"), "CPython 3.11.7", "2.12.0", "01234")},
        {"interpreter": Interpreter(Path("/a/python"), "CPython 3.11.7", "2.13.0", "43210")},
        {"gpu": GPU},
        {"budget_s": 31},
        {"data": "1-small-def"},
        {"data_digest": "e" * 64},
        {"sandbox": "bubblewrap 0.12.0"},
    ],
)
def test_whatever_can_change_a_number_changes_the_class(change: dict[str, Any]) -> None:
    assert described(**change).id != described().id


def test_every_fact_can_be_seen() -> None:
    shown = described().model_dump()
    assert (shown["data"], shown["data_digest"]) == (FACTS["data"], FACTS["data_digest"])
    assert (shown["profile"], shown["driver"]) == ("cpu", "")
    assert shown["device"].startswith(f"cpu: {cpu_model()} x")


def test_the_card_and_its_driver_stand_for_a_gpu() -> None:
    shown = described(gpu=GPU)
    assert (shown.profile, shown.device, shown.driver) == ("gpu", "NVIDIA Test", "570.86.10")


@pytest.mark.parametrize(("cores", "told"), [(2, "x2"), (2.0, "x2"), (1.5, "x1.5")])
def test_fewer_cores_are_another_class(
    cores: float, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = described()
    monkeypatch.setattr(runner_class, "available_cores", lambda: cores + 1_000)
    more = described()
    monkeypatch.setattr(runner_class, "available_cores", lambda: cores)
    assert described().device.endswith(told)
    assert more.id not in {here.id, described().id}


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel name\t: AMD  EPYC 9R14\n", "AMD EPYC 9R14"),
        ("model name\t:\nModel\t\t: Raspberry Pi 5\n", "Raspberry Pi 5"),
        ("model name\t: " + "x" * 500, "x" * 100),
    ],
)
def test_the_processor_is_named_as_the_kernel_does(
    text: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(runner_class, "_CPU_INFO", tmp_path / "cpuinfo")
    assert cpu_model() == model


@pytest.mark.parametrize("content", [None, "", "flags : fpu"])
def test_a_processor_without_a_name_is_told_by_its_architecture(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_class, "_CPU_INFO", tmp_path / "cpuinfo")
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert cpu_model() == "riscv64"
