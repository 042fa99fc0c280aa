"""The runner class: what must be equal for two numbers to be comparable."""

from __future__ import annotations

import platform
from pathlib import Path

from runner import digests
from runner.cores import available_cores
from runner.gpu import Gpu
from runner.interpreter import Interpreter
from runner.result import RunnerClass

_CPU_INFO = Path("/proc/cpuinfo")


def describe(
    *,
    interpreter: Interpreter,
    gpu: Gpu | None,
    budget_s: float,
    data: str,
    data_digest: str,
    sandbox: str,
) -> RunnerClass:
    """The class of runs on this machine with these settings; `id` is a digest of the rest."""
    facts = {
        "device": gpu.name if gpu else f"cpu: {cpu_model()} x{available_cores():g}",
        "profile": "gpu" if gpu else "cpu",
        "budget_s": float(budget_s),
        "data": data,
        # The same version and salt need not mean the same pixels: libraries draw them.
        "data_digest": data_digest,
        "interpreter": interpreter.version,
        "packages": interpreter.packages,
        "torch": interpreter.torch,
        "driver": gpu.driver if gpu else "",
        "sandbox": sandbox,
    }
    return RunnerClass.model_validate({"id": digests.data_digest(facts)[:12], **facts})


def cpu_model() -> str:
    """The processor's name as the kernel tells it."""
    try:
        for line in _CPU_INFO.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"model name", "Model", "cpu model"} and value.strip():
                return " ".join(value.split())[:100]
    except OSError:
        pass
    return platform.machine()
