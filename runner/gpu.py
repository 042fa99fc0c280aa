"""Finds out whether the candidate's interpreter sees a GPU, and which."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.digests import data_digest
from runner.errors import RunnerError, SandboxUnavailable
from runner.interpreter import Interpreter, ask
from runner.sandbox.gpu import grant
from runner.settings import BudgetTable

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


def find_gpu(
    table: BudgetTable,
    interpreter: Interpreter,
    cache: Path,
    proc: Path = Path("/proc"),
    dev: Path = Path("/dev"),
) -> Gpu | None:
    """The GPU to run on, or None for the CPU profile.

    Without a device file there is no question. With one, torch is asked, which takes seconds.
    That it sees a GPU is kept below `cache`, which several machines may share, until machine,
    cards, torch, driver or choice are others; that it sees none is asked anew each time.

    Raises:
        RunnerError: bot.toml demands a GPU and there is none.
    """
    if table.profile == "cpu":
        return None
    devices = sorted(path.name for path in dev.glob("nvidia[0-9]*"))
    gpu = _ask_torch(interpreter, cache, proc, devices) if devices else None
    if gpu is None and table.profile == "gpu":
        raise RunnerError(
            f"budget.profile is gpu, but {interpreter.path} sees no CUDA device. Install a torch "
            "with CUDA there, check the driver with nvidia-smi, or set budget.profile to cpu."
        )
    return gpu


def visible_gpus(dev: Path = Path("/dev")) -> tuple[str, ...]:
    """The GPUs that a runner could be given, as in CUDA_VISIBLE_DEVICES: all of them, if unset."""
    chosen = os.environ.get(_VISIBLE)
    if chosen is not None:
        return tuple(one.strip() for one in chosen.split(",") if one.strip())
    count = sum(1 for path in dev.glob("nvidia[0-9]*") if path.name[6:].isdecimal())
    return tuple(str(index) for index in range(count))


def device_name(gpu: Gpu | None) -> str:
    """What a run has to itself: `cpu` for all cores, or a card's device file like `nvidia0`."""
    if gpu is None:
        return "cpu"
    try:
        return Path(grant(gpu.index).devices[0]).name
    except SandboxUnavailable:  # a sandbox will say so
        return re.sub(r"[^A-Za-z0-9-]", "_", f"nvidia-{gpu.index}")[:100]


def _ask_torch(
    interpreter: Interpreter, cache: Path, proc: Path, devices: Sequence[str]
) -> Gpu | None:
    if not interpreter.torch:
        return None
    # Unset means every card, empty means none.
    driver, visible = _driver_version(proc), os.environ.get(_VISIBLE)
    facts = {"python": str(interpreter.path), "torch": interpreter.torch, "driver": driver}
    key = data_digest(
        {**facts, "visible": visible, "devices": devices}
        | {"machine": _machine(proc), "cards": _cards(proc)}
    )
    remembered = cache / f"gpu-{key[:16]}.json"
    try:
        answer = _Answer.model_validate_json(remembered.read_bytes())
    except (OSError, ValidationError):
        answer = _Answer.model_validate_json(ask(interpreter.path, _QUESTION))
        if answer.seen:
            _remember(remembered, answer)
    if not answer.seen:
        return None
    return Gpu(index=(visible or "0").split(",")[0], name=answer.name, driver=driver)


def _machine(proc: Path) -> str:
    """This boot of this machine: another boot may find another card in the same place."""
    return _text(proc / "sys/kernel/random/boot_id") or platform.node()


def _cards(proc: Path) -> dict[str, str]:
    """What the driver says of each card (model, uuid, bus and more), by its address."""
    files = proc.glob("driver/nvidia/gpus/*/information")
    return {file.parent.name: _text(file) for file in files}


def _remember(place: Path, answer: _Answer) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_suffix(f".{os.getpid()}")
    partial.write_text(answer.model_dump_json())
    partial.replace(place)


def _driver_version(proc: Path) -> str:
    match = _DRIVER_VERSION.search(_text(proc / "driver/nvidia/version"))
    return match[1] if match else "unknown"


def _text(file: Path) -> str:
    """The beginning of a file of the kernel's; empty if it cannot be read."""
    try:
        return file.read_text(errors="replace")[:4_000]
    except OSError:
        return ""
