"""Runs `train.py` once, as it is, and writes down where the time went, as JSON.

`python gpu_probe.py train.py figures.json`, with the candidates' interpreter and the environment
of the task contract; BEGAN is `time.monotonic()` of whoever starts it. `train.py` is not changed:
its functions are timed from outside, and PyTorch tells of every step of the optimiser.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

_COUNTED_STEP = 3  # whose operations are counted; the first ones also allocate
_PROFILED_FROM = 0.6  # share of the budget after which some steps are profiled
_PROFILED_STEPS = 20
_STAGES = {
    "load_images": "reading the images",
    "load_annotations": "reading the annotations",
    "make_vocabulary": "vocabulary and tokens",
    "tokenise": "vocabulary and tokens",
    "pad_boxes": "boxes",
}


class Watch:
    """Follows the steps: times, operations of one of them, a profile of some."""

    def __init__(self, torch: Any, began: float, budget_s: float) -> None:
        self.torch, self.began, self.budget_s = torch, began, budget_s
        self.on_gpu = bool(torch.cuda.is_available())
        self.times: list[float] = []
        self.disturbed: set[int] = set()  # steps that were counted or profiled
        self.operations: int | None = None
        self.busy: float | None = None
        self.costs: list[tuple[str, float]] = []
        self._counter: Any = None
        self._profile: Any = None  # being made
        self._profiled_steps: Any = None  # made
        self._profile_began = 0

    def __call__(self, *_: object) -> None:
        """A step of the optimiser has ended."""
        step = len(self.times)
        self.times.append(time.monotonic() - self.began)
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            self.operations = int(self._counter.get_total_flops())
            self._counter = None
            self.disturbed.add(step)
        if step == _COUNTED_STEP:
            from torch.utils.flop_counter import FlopCounterMode

            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()
        self._profiled(step)

    def _profiled(self, step: int) -> None:
        if self._profile is not None:
            self.disturbed.add(step)
            if step - self._profile_began >= _PROFILED_STEPS:
                self.end_profile()
            return
        late = self.times[-1] > _PROFILED_FROM * self.budget_s
        if late and self._profiled_steps is None and step > _COUNTED_STEP + 1:
            kinds = self.torch.profiler.ProfilerActivity
            activity = kinds.CUDA if self.on_gpu else kinds.CPU
            self._profile_began = step
            self._profile = self.torch.profiler.profile(activities=[activity])
            self._profile.__enter__()

    def end_profile(self) -> None:
        """Stop the profile, if one is being made. Reading it takes time that is not training's."""
        if self._profile is None:
            return
        if self.on_gpu:
            self.torch.cuda.synchronize()
        self._profile.__exit__(None, None, None)
        self._profiled_steps, self._profile = self._profile, None

    def read_profile(self) -> None:
        """What the profile says, once training is over."""
        self.end_profile()
        if self._profiled_steps is None:
            return
        events = self._profiled_steps.events()
        on_device = [e for e in events if str(e.device_type).endswith("CUDA")]
        seen = on_device if self.on_gpu else events
        spans = [(e.time_range.start, e.time_range.end) for e in seen]
        whole = max(end for _, end in spans) - min(start for start, _ in spans) if spans else 0
        if self.on_gpu and whole:
            self.busy = covered(spans) / whole
        by_name: dict[str, float] = {}
        for e in seen:
            own = e.time_range.elapsed_us() if self.on_gpu else e.self_cpu_time_total
            by_name[e.name] = by_name.get(e.name, 0.0) + own
        total = sum(by_name.values()) or 1.0
        self.costs = sorted(((n, t / total) for n, t in by_name.items()), key=lambda one: -one[1])

    def steps_per_s(self) -> float | None:
        """Of the steps that nothing disturbed."""
        pairs = [
            after - before
            for step, (before, after) in enumerate(itertools.pairwise(self.times), 1)
            if step not in self.disturbed and step - 1 not in self.disturbed
        ]
        return len(pairs) / sum(pairs) if pairs else None


def covered(spans: list[tuple[float, float]]) -> float:
    """The length of a union of intervals."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def timed(module: Any, spent: dict[str, float]) -> None:
    """Have the functions of `_STAGES`, those that the script has, note their time."""
    for name, stage in _STAGES.items():
        if (inner := getattr(module, name, None)) is None:
            continue

        def outer(*arguments: Any, inner: Any = inner, stage: str = stage) -> Any:
            began = time.monotonic()
            try:
                return inner(*arguments)
            finally:
                spent[stage] = spent.get(stage, 0.0) + time.monotonic() - began

        setattr(module, name, outer)


def main(script: str, figures: str) -> None:
    """Train, and write the figures."""
    began, budget_s = float(os.environ["BEGAN"]), float(os.environ["TIME_BUDGET_S"])
    specification = importlib.util.spec_from_file_location("candidate", script)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    stages = {"interpreter and imports": time.monotonic() - began}
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    torch.set_num_threads(min(len(os.sched_getaffinity(0)), 8))
    timed(module, stages)
    watch = Watch(torch, began, budget_s)
    register_optimizer_step_post_hook(watch)
    module.train()
    ended, first, last = time.monotonic() - began, watch.times[0], watch.times[-1]
    watch.read_profile()
    stages["model, copies to the device, first step"] = first - sum(stages.values())
    stages["all other steps"] = last - first
    stages["saving"] = ended - last
    found = {
        "device": torch.cuda.get_device_name(0) if watch.on_gpu else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda if watch.on_gpu else None,
        "threads": torch.get_num_threads(),
        "budget_s": budget_s,
        "stages": stages,
        "start_up_s": first,
        "steps": len(watch.times),
        "steps_per_s": watch.steps_per_s(),
        "operations_per_step": watch.operations,
        "gpu_busy": watch.busy,
        "costs": watch.costs[:8],
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if watch.on_gpu else None,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    Path(figures).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
