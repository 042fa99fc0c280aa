from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import gpu, gpu_probe
from tests.test_train import PYTHON, SCRIPT, write_scenes

FOUND: dict[str, Any] = {
    "device": "NVIDIA H100 80GB HBM3", "torch": "2", "cuda": "13", "threads": 8, "cpu": "a cpu",
    "data": "d", "budget_s": 300.0, "stages": {"imports": 3.0, "all other steps": 290.0},
    "start_up_s": 6.0, "steps": 9, "steps_per_s": 100.0, "operations_per_step": 989 * 10**9,
    "gpu_busy": 0.5, "costs": [["kernel", 0.7]], "peak_gpu_bytes": 2 * 10**9, "peak_bytes": 10**9,
    "compiled": {}, "date": "2026-01-02",
}  # fmt: skip


def test_the_use_of_a_card_is_told_against_what_it_can_do() -> None:
    told = gpu.derived(FOUND, None)
    assert told["model_tflops_per_s"] == pytest.approx(98.9)
    assert told["model_flops_use"] == pytest.approx(0.1)
    assert told["start_up_share"] == 0.02
    assert gpu.derived(FOUND, 98.9)["model_flops_use"] == pytest.approx(1.0)
    text = gpu.document({**FOUND, **told})
    assert "| model-FLOPs use | 10.0 % of 989e12 a second |" in text
    assert "| left at the end | 7.00 | 2.3 % |" in text
    unknown = {**FOUND, "device": "NVIDIA RTX A1000"}
    assert gpu.derived(unknown, None)["model_flops_use"] is None
    text = gpu.document({**unknown, **gpu.derived(unknown, None)})
    assert "| model-FLOPs use | not known: no --peak for this card |" in text


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989.0),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA A10", 125.0),
        ("NVIDIA A10G", None),
        ("NVIDIA L40", None),
        ("NVIDIA RTX A1000", None),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
    ],
)
def test_a_card_is_known_by_whole_words_of_its_name(name: str, peak: float | None) -> None:
    assert gpu.known_peak(name) == peak


def test_without_a_gpu_its_figures_were_not_measured() -> None:
    without = {**FOUND, "device": None, "cuda": None, "gpu_busy": None, "peak_gpu_bytes": None}
    told = gpu.document({**without, **gpu.derived(without, None)})
    for what in ("share of the time that the GPU is busy", "model-FLOPs use"):
        assert f"| {what} | not measured |" in told
    assert "| peak memory on the card | not measured |" in told


def test_the_share_that_is_busy_counts_what_overlaps_once() -> None:
    assert gpu_probe.covered([(0, 2), (1, 3), (5, 6), (5, 5.5)]) == 4


def test_the_name_of_a_whole_step_is_no_work_of_the_card() -> None:
    kernel = SimpleNamespace(name="gemm", is_user_annotation=False)
    step = SimpleNamespace(name="ProfilerStep*", is_user_annotation=False)
    optimizer = SimpleNamespace(name="Optimizer.step#AdamW.step", is_user_annotation=True)
    assert [gpu_probe.annotates(each) for each in (kernel, step, optimizer)] == [False, True, True]


def test_steps_that_were_watched_closely_do_not_count_for_the_speed() -> None:
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
    watch = gpu_probe.Watch(torch, 0.0, 10.0)
    watch.times, watch.disturbed = [0.0, 1.0, 2.0, 9.0, 10.0, 11.0], {3}
    assert watch.steps_per_s() == 1.0


def test_trainings_with_and_without_compiling_stand_beside_each_other() -> None:
    compiled = {
        "default": {"budget_s": 60, "held_up_s": 56.0, "steps_per_s": 120.0, "steps": 480},
        "reduce-overhead": {"budget_s": 60, "held_up_s": 59.0, "steps_per_s": None, "steps": 2},
    }
    told = gpu.document({**FOUND, **gpu.derived(FOUND, None), "compiled": compiled})
    assert "| as it ships | 300 | 6.0 | 100 | 9 |" in told
    assert "| `torch.compile`, default | 60 | 56.0 | 120 | 480 |" in told
    assert "| `torch.compile`, reduce-overhead | 60 | 59.0 | not measured | 2 |" in told


def test_pauses_hold_a_training_up_and_do_not_count_for_its_speed() -> None:
    assert gpu_probe.held_up([30.0, 30.5, 50.0, 50.5, 51.0]) == (49.5, 2.0)
    assert gpu_probe.held_up([0.25, 0.5, 0.75]) == (0.25, 4.0)
    assert gpu_probe.held_up([30.0, 50.0]) == (50.0, None)


@pytest.mark.parametrize(
    ("kernel", "told"),
    [
        (
            "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast<at::"
            "native::CUDAFunctor_add<c10::BFloat16> >(at::TensorIteratorBase&)",
            "elementwise_kernel of CUDAFunctor_add",
        ),
        ("sm90_xmma_fprop_implicit_gemm_bf16", "sm90_xmma_fprop_implicit_gemm_bf16"),
        ("aten::mm", "aten::mm"),
    ],
)
def test_a_kernel_is_told_by_what_it_works_out(kernel: str, told: str) -> None:
    assert gpu.short(kernel) == told


def test_the_towers_and_the_loss_are_compiled_and_nothing_else() -> None:
    class ImageTower:
        def forward(self) -> str:
            return "image"

    module = SimpleNamespace(ImageTower=ImageTower, contrastive_loss=len, shift=len)
    gpu_probe.compile_parts(module, lambda inner: lambda *given: f"compiled {inner(*given)}")
    assert ImageTower().forward() == "compiled image"
    assert module.contrastive_loss("ab") == "compiled 2"
    assert module.shift is len


def test_every_part_that_is_compiled_is_one_of_the_shipped_script() -> None:
    source = SCRIPT.read_text()
    for name in gpu_probe._COMPILED_CLASSES:
        assert f"class {name}(" in source
    for name in gpu_probe._COMPILED_FUNCTIONS:
        assert f"def {name}(" in source


@pytest.mark.slow
def test_the_shipped_script_is_watched_as_it_is(tmp_path: Path) -> None:
    write_scenes(tmp_path / "data", scenes=48, side=48)
    figures = tmp_path / "figures.json"
    environment = {
        "PHASE": "train", "DATA_DIR": str(tmp_path / "data"), "OUT_DIR": str(tmp_path),
        "SEED": "3", "TIME_BUDGET_S": "40", "BEGAN": repr(time.monotonic()),
    }  # fmt: skip
    probe = str(Path(gpu_probe.__file__))
    done = subprocess.run(
        [PYTHON, "-B", probe, str(SCRIPT), str(figures)],
        env=environment, capture_output=True, text=True, timeout=120, check=False, cwd=os.sep,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert found["steps"] > 5
    assert found["operations_per_step"] > 1e6
    assert {"interpreter and imports", "reading the images", "saving"} <= found["stages"].keys()
    assert found["costs"]
    assert (found["gpu_busy"], found["peak_gpu_bytes"], found["device"]) == (None, None, None)
