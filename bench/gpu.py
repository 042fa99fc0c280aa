"""Where the training time of `train.py` goes, and how well it uses a GPU: `python -m bench gpu`.

One training as it ships, on the prepared data, with the candidates' interpreter but outside of a
sandbox, watched by PyTorch's own profiler and counters. On a machine without a GPU it tells what it
can, and says "not measured" of the rest.

steps_per_s          of steps that were not profiled
gpu_busy             share of the time in which the GPU computed, over some steps past the middle
model_flops_use      operations of matrix products and convolutions (forward and backward, of a step
                     without expert pairs) by steps per second, over `peak_tflops`: what the card
                     can do in bfloat16 without sparsity (--peak for one that is not known here)
peak_gpu_bytes       most memory that PyTorch had allocated on the card
start_up_share       time until the first step has ended, over the budget
stages               seconds of each part
costs                shares of the profiled time by kernel (on a CPU: by operation)
compiled             with --compile: one more training for each mode, by torch.compile with nothing
                     compiled before: its steps, how long steps of a second and more held it up
                     (the start included), and steps per second otherwise. Mode `reduce-overhead`
                     uses CUDA graphs

With --compile a C compiler is needed, which a sandbox need not have.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import NOT_MEASURED, number_text, share_text, table, write_between
from bench.measuring import ROOT
from runner.errors import RunnerError
from runner.gpu import find_gpu
from runner.interpreter import find_interpreter
from runner.runner_class import cpu_model
from runner.session import data_size
from runner.settings_file import load
from runner.task.compose import RECIPES
from runner.task.prepare import cache_folder, prepare

_PROBE = Path(__file__).with_name("gpu_probe.py")
_PATIENCE_S = 120.0
PEAKS = {  # dense bfloat16, in 1e12 operations a second, from the makers' data sheets
    "H200 NVL": 835.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10": 125.0,
}
AS_SHIPPED = "as it ships"
MODES = ("default", "reduce-overhead", "max-autotune-no-cudagraphs")


def main(argv: Sequence[str]) -> int:
    """Train once and print what was seen."""
    parser = argparse.ArgumentParser(
        prog="python -m bench gpu", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python -m bench gpu --write docs/results.md\n"
        "  python -m bench gpu --compile default reduce-overhead --write docs/results.md",
    )  # fmt: skip
    parser.add_argument("--budget", type=float, help="seconds of training (those of bot.toml)")
    parser.add_argument("--size", choices=sorted(RECIPES), help="of the data (as in bot.toml)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peak", type=float, help="what the card can do, in 1e12 a second")
    parser.add_argument(
        "--compile", nargs="+", choices=MODES, default=[], metavar="MODE",
        help=f"train once more with torch.compile, in each of these modes: {', '.join(MODES)}",
    )  # fmt: skip
    parser.add_argument(
        "--compile-budget", type=float, metavar="SECONDS", help="of those trainings (as --budget)"
    )
    parser.add_argument("--write", type=Path, help="a document to put the tables in")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    try:
        found = measure(options)
        if options.write:
            write_between(options.write, "gpu", document(found))
            print(f"Wrote the tables into {options.write}.", file=sys.stderr)
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(found) if options.json else document(found))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one training, with --compile of some more. Raises RunnerError."""
    settings = load(ROOT / "bot.toml")
    interpreter = find_interpreter(ROOT, settings.candidate)
    gpu = find_gpu(settings.budget, interpreter, cache_folder())
    if options.write and gpu is None:
        raise RunnerError(
            f"{interpreter.path} sees no GPU, and {options.write} is for the figures of one. Leave "
            "--write out to see what a CPU tells."
        )
    size = options.size or data_size(ROOT, settings)
    budget_s = options.budget or (settings.budget.gpu_s if gpu else settings.budget.cpu_s)
    data = prepare(size)
    contract = {
        "PHASE": "train", "DATA_DIR": str(data.train), "SEED": str(options.seed),
        "TIME_BUDGET_S": f"{budget_s:g}", "PYTHONHASHSEED": "0",
        "PATH": os.environ.get("PATH", os.defpath),
    }  # fmt: skip
    for name in ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"):  # which card, and where its driver is
        if name in os.environ:
            contract[name] = os.environ[name]
    found = _train(interpreter.path, contract, budget_s)
    compiled = {}
    compile_s = options.compile_budget or budget_s
    for mode in options.compile:
        told = {"WATCH": "steps", "COMPILE": mode, "TIME_BUDGET_S": f"{compile_s:g}"}
        once = _train(interpreter.path, contract | told, compile_s)
        held_up_s, steps_per_s = once["held_up"]
        compiled[mode] = {
            "budget_s": compile_s, "steps": once["steps"],
            "held_up_s": held_up_s, "steps_per_s": steps_per_s,
        }  # fmt: skip
    more = {"compiled": compiled, "cpu": cpu_model(), "data": data.version}
    more["date"] = time.strftime("%Y-%m-%d", time.gmtime())
    return {**found, **derived(found, options.peak), **more}


def _train(python: Path, contract: Mapping[str, str], budget_s: float) -> dict[str, Any]:
    """What the probe says of one training, in a folder of its own: no cache of another one."""
    print(f"training for {budget_s:g} s ({contract.get('COMPILE', AS_SHIPPED)})", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="mergelab-bench-") as folder:
        figures = Path(folder) / "figures.json"
        own = {
            "OUT_DIR": folder, "HOME": folder, "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
            "TRITON_CACHE_DIR": f"{folder}/triton", "BEGAN": repr(time.monotonic()),
        }  # fmt: skip
        command = [str(python), "-B", str(_PROBE), str(ROOT / "train.py"), str(figures)]
        try:
            done = subprocess.run(
                command, env={**contract, **own}, capture_output=True, text=True, check=False,
                timeout=budget_s + _PATIENCE_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RunnerError(
                f"train.py did not end within {_PATIENCE_S:g} s after its budget."
            ) from None
        if done.returncode or not figures.exists():
            raise RunnerError(f"train.py failed:\n{done.stderr[-2_000:]}")
        found: dict[str, Any] = json.loads(figures.read_bytes())
    return found


def known_peak(device: str) -> float | None:
    """What a card can do, by the words of its name; None for another card, or a part of one."""
    words = f" {device.replace('-', ' ')} "
    if " MIG " in words:
        return None
    return next((peak for name, peak in PEAKS.items() if f" {name} " in words), None)


def derived(found: Mapping[str, Any], peak: float | None) -> dict[str, float | None]:
    """What follows from the figures: null where a part of it was not measured."""
    device, counted, speed = found["device"], found["operations_per_step"], found["steps_per_s"]
    peak = (peak or known_peak(device)) if device else None
    rate = counted * speed / 1e12 if counted and speed else None
    return {
        "peak_tflops": peak,
        "model_tflops_per_s": rate,
        "model_flops_use": rate / peak if rate and peak else None,
        "start_up_share": found["start_up_s"] / found["budget_s"],
    }


def document(found: Mapping[str, Any]) -> str:
    """The figures as tables."""
    where = f"{found['device'] or 'no GPU'}, {found['cpu']} ({found['threads']} threads)"
    software = f"PyTorch {found['torch']}" + (f", CUDA {found['cuda']}" if found["cuda"] else "")
    memory, peak = found["peak_gpu_bytes"], found["peak_tflops"]
    use = share_text(found["model_flops_use"])
    if found["device"]:
        use = f"{use} of {peak:g}e12 a second" if peak else "not known: no --peak for this card"
    rows = [
        ("steps per second", number_text(found["steps_per_s"])),
        ("share of the time that the GPU is busy", share_text(found["gpu_busy"])),
        ("model operations, 1e12 a second", number_text(found["model_tflops_per_s"])),
        ("model-FLOPs use", use),
        ("peak memory on the card", NOT_MEASURED if memory is None else f"{memory / 1e9:.2f} GB"),
        ("peak main memory", f"{found['peak_bytes'] / 1e9:.2f} GB"),
        ("start-up, share of the budget", share_text(found["start_up_share"])),
    ]
    budget_s = found["budget_s"]
    stages = [(n, f"{s:.2f}", share_text(s / budget_s)) for n, s in found["stages"].items()]
    left = budget_s - sum(found["stages"].values())
    stages.append(("left at the end", f"{left:.2f}", share_text(left / budget_s)))
    costs = [(f"`{short(name)}`", share_text(share)) for name, share in found["costs"]]
    parts = [
        f"{where}; {software}; data {found['data']}; {budget_s:g} s of training; {found['date']}.",
        table(("what", "figure"), rows),
        table(("where the time goes", "seconds", "of the budget"), stages),
        table(("kernel or operation", "of the profiled time"), costs or [(NOT_MEASURED, "")]),
    ]
    if found["compiled"]:
        parts.append(compiled_table(found))
    return "\n\n".join(parts)


def short(kernel: str) -> str:
    """What a kernel is called and works out: of all the types in its full name, two words."""
    words = re.findall(r"\w*(?:[Kk]ernel|Functor|functor|_gemm)\w*", kernel)
    told = [word for word in dict.fromkeys(words) if "gpu_kernel_impl" not in word]
    return " of ".join(dict.fromkeys([told[0], told[-1]]))[:80] if told else kernel[:80]


def compiled_table(found: Mapping[str, Any]) -> str:
    """Trainings beside each other, each of so many seconds. Nothing is projected."""
    usual = {**found, "held_up_s": found["start_up_s"]}
    rows = [
        (
            name if once is usual else f"`torch.compile`, {name}",
            f"{once['budget_s']:g}",
            f"{once['held_up_s']:.1f}",
            number_text(once["steps_per_s"]),
            str(once["steps"]),
        )
        for name, once in {AS_SHIPPED: usual, **found["compiled"]}.items()
    ]
    headers = ("one training", "of seconds", "held up for", "steps per second otherwise", "steps")
    return table(headers, rows)
