"""Finds out whether the candidate's interpreter sees a GPU, and which."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.digests import data_digest
from runner.errors import RunnerError
from runner.interpreter import Interpreter, ask
from runner.settings import BudgetTable

_DRIVER_FILE = Path("/proc/driver/nvidia/version")
_DRIVER_VERSION = re.compile(r"NVRM version:.{0,100}?\s(\d{2,4}\.\d{1,4}(?:\.\d{1,4})?)\s")
_VISIBLE = "CUDA_VISIBLE_DEVICES"
# Counted like nvidia-smi and the sandbox do, which is not CUDA's own default.
_QUESTION = """
import json, os
os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
import torch
seen = torch.cuda.is_available()
print(json.dumps({"seen": seen, "name": torch.cuda.get_device_name(0) if seen else ""}))
"""


class Gpu(BaseModel):
    """A GPU that candidates may use. One run gets one."""

    model_config = ConfigDict(frozen=True)

    index: str  # device index or uuid, as in CUDA_VISIBLE_DEVICES
    name: str
    driver: str


class _Answer(BaseModel):
    seen: bool
    name: str = Field(max_length=200)


def find_gpu(table: BudgetTable, interpreter: Interpreter, cache: Path) -> Gpu | None:
    """The GPU to run on, or None for the CPU profile.

    Without a device file there is no question. With one, torch is asked (which takes seconds),
    and its answer is kept below `cache` until torch, the driver or the choice changes.

    Raises:
        RunnerError: bot.toml demands a GPU and there is none.
    """
    if table.profile == "cpu":
        return None
    gpu = _ask_torch(interpreter, cache) if any(Path("/dev").glob("nvidia[0-9]*")) else None
    if gpu is None and table.profile == "gpu":
        raise RunnerError(
            f"budget.profile is gpu, but {interpreter.path} sees no CUDA device. Install a torch "
            "with CUDA there, check the driver with nvidia-smi, or set budget.profile to cpu."
        )
    return gpu


def _ask_torch(interpreter: Interpreter, cache: Path) -> Gpu | None:
    if not interpreter.torch:
        return None
    driver, visible = _driver_version(), os.environ.get(_VISIBLE, "")
    key = data_digest(
        {"python": str(interpreter.path), "torch": interpreter.torch, "driver": driver}
        | {"visible": visible, "devices": sorted(map(str, Path("/dev").glob("nvidia[0-9]*")))}
    )
    remembered = cache / f"gpu-{key[:16]}.json"
    try:
        answer = _Answer.model_validate_json(remembered.read_bytes())
    except (OSError, ValidationError):
        answer = _Answer.model_validate_json(ask(interpreter.path, _QUESTION))
        _remember(remembered, answer)
    if not answer.seen:
        return None
    return Gpu(index=visible.split(",")[0] or "0", name=answer.name, driver=driver)


def _remember(place: Path, answer: _Answer) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_suffix(f".{os.getpid()}")
    partial.write_text(answer.model_dump_json())
    partial.replace(place)


def _driver_version() -> str:
    try:
        text = _DRIVER_FILE.read_text(errors="replace")
    except OSError:
        return "unknown"
    match = _DRIVER_VERSION.search(text[:2_000])
    return match[1] if match else "unknown"
