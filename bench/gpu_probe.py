"""Runs `train.py` once, as it is, and writes down where the time went, as JSON.

`python gpu_probe.py train.py figures.json`, with the candidates' interpreter and the environment
of the task contract; BEGAN is `time.monotonic()` of whoever starts it. `train.py` is not changed:
its functions are timed from outside, and PyTorch tells of every step of the optimiser.

With WATCH=steps nothing but the steps is timed, as counting and profiling cost time themselves.
With COMPILE=mode the towers and the loss go through `torch.compile` in that mode.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_COUNTED_STEP = 3  # whose operations are counted; the first ones also allocate
_PROFILED_FROM = 0.6  # share of the budget after which some steps are profiled
# Twenty steps on a fast card are over before the profiler's first launches have settled.
_PROFILED_STEPS = {True: 200, False: 20}  # on a GPU, without one
_SETTLING_STEPS = 10  # profiled before them and dropped
_PAUSE_S = 1.0  # between two steps
_COMPILED_CLASSES = ("ImageTower", "TextTower", "HeatmapProcessor")
_COMPILED_FUNCTIONS = ("contrastive_loss",)
_STAGES = {
    "load_images": "reading the images",
    "load_annotations": "reading the annotations",
    "make_vocabulary": "vocabulary and tokens",
    "tokenise": "vocabulary and tokens",
    "pad_boxes": "boxes",
}


class Watch:
    """Follows the steps: times, operations of one of them, a profile of some."""

    def __init__(self, torch: Any, began: float, budget_s: float, *, closely: bool = True) -> None:
        self.torch, self.began, self.budget_s, self.closely = torch, began, budget_s, closely
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
        if not self.closely:
            return
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
            steps = _SETTLING_STEPS + _PROFILED_STEPS[self.on_gpu]
            if step - self._profile_began >= steps:
                self.end_profile()
            else:
                self._profile.step()
            return
        late = self.times[-1] > _PROFILED_FROM * self.budget_s
        if late and self._profiled_steps is None and step > _COUNTED_STEP + 1:
            profiler = self.torch.profiler
            activity = (
                profiler.ProfilerActivity.CUDA if self.on_gpu else profiler.ProfilerActivity.CPU
            )
            self._profile_began = step
            # One step more than is made, so that it is ended here, after the card is waited for.
            schedule = profiler.schedule(
                wait=0, warmup=_SETTLING_STEPS, active=_PROFILED_STEPS[self.on_gpu] + 1, repeat=1
            )
            self._profile = profiler.profile(activities=[activity], schedule=schedule)
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
        # The names that PyTorch gives to a whole step span the card's pauses, too.
        events = [e for e in self._profiled_steps.events() if not annotates(e)]
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


def held_up(times: Sequence[float]) -> tuple[float, float | None]:
    """Seconds of all pauses, that before the first step included; steps per second otherwise.

    A compiler holds training up before its first step, and again at what it has not seen.
    """
    first, *others = (after - before for before, after in itertools.pairwise([0.0, *times]))
    free = [gap for gap in others if gap < _PAUSE_S]
    paused = first + sum(gap for gap in others if gap >= _PAUSE_S)
    return paused, len(free) / sum(free) if free else None


def annotates(event: Any) -> bool:
    """Whether an event only names a stretch of time (`ProfilerStep`, `Optimizer.step`)."""
    return bool(getattr(event, "is_user_annotation", False)) or event.name.startswith(
        "ProfilerStep"
    )


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


def compile_parts(module: Any, wrap: Callable[[Any], Any]) -> None:
    """Have the towers and the loss of the script, those that it has, compiled by `wrap`."""
    for name in _COMPILED_CLASSES:
        if (part := getattr(module, name, None)) is not None:
            part.forward = wrap(part.forward)
    for name in _COMPILED_FUNCTIONS:
        if (function := getattr(module, name, None)) is not None:
            setattr(module, name, wrap(function))


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
    if mode := os.environ.get("COMPILE"):
        compile_parts(module, lambda inner: torch.compile(inner, mode=mode))
    watch = Watch(torch, began, budget_s, closely=os.environ.get("WATCH") != "steps")
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
        "held_up": held_up(watch.times),
        "operations_per_step": watch.operations,
        "gpu_busy": watch.busy,
        "costs": watch.costs[:8],
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if watch.on_gpu else None,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    Path(figures).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
