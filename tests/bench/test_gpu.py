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
}  # fmt: skip


def test_the_use_of_a_card_is_told_against_what_it_can_do() -> None:
    told = gpu.derived(FOUND, None)
    assert told["model_tflops_per_s"] == pytest.approx(98.9)
    assert told["model_flops_use"] == pytest.approx(0.1)
    assert told["start_up_share"] == 0.02
    assert gpu.derived(FOUND, 98.9)["model_flops_use"] == pytest.approx(1.0)
    assert gpu.derived({**FOUND, "device": "unknown"}, None)["model_flops_use"] is None
    text = gpu.document({**FOUND, **told})
    assert "| model-FLOPs use | 10.0 % |" in text
    assert "| left at the end | 7.00 | 2.3 % |" in text


def test_without_a_gpu_its_figures_were_not_measured() -> None:
    without = {**FOUND, "device": None, "cuda": None, "gpu_busy": None, "peak_gpu_bytes": None}
    told = gpu.document({**without, **gpu.derived(without, None)})
    for what in ("share of the time that the GPU is busy", "model-FLOPs use"):
        assert f"| {what} | not measured |" in told
    assert "| peak memory on the card | not measured |" in told


def test_the_share_that_is_busy_counts_what_overlaps_once() -> None:
    assert gpu_probe.covered([(0, 2), (1, 3), (5, 6), (5, 5.5)]) == 4


def test_steps_that_were_watched_closely_do_not_count_for_the_speed() -> None:
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
    watch = gpu_probe.Watch(torch, 0.0, 10.0)
    watch.times, watch.disturbed = [0.0, 1.0, 2.0, 9.0, 10.0, 11.0], {3}
    assert watch.steps_per_s() == 1.0


@pytest.mark.slow
def test_the_shipped_script_is_watched_as_it_is(tmp_path: Path) -> None:
    write_scenes(tmp_path / "data", scenes=48, side=48)
    figures = tmp_path / "figures.json"
    environment = {
        "PHASE": "train", "DATA_DIR": str(tmp_path / "data"), "OUT_DIR": str(tmp_path),
        "SEED": "3", "TIME_BUDGET_S": "12", "BEGAN": repr(time.monotonic()),
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
