"""What the report costs where the history is long: `python -m bench report --json`.

The page is made from a made-up programme and opened in the system's Chromium, until its charts
are drawn and its table is there. Needs the browser and the development packages.

experiments  how many finished experiments the programme has
make_s       `bot report` as a whole, wall time
page_mb      size of the page
open_s       from asking for the page until everything in it is drawn, median
open_cpu_s   the browser's own time for it on its main thread, which a busy machine blurs less
reference_s  such time for a fixed piece of work, in the same browser: reading, sorting, drawing
open_ratio   open_cpu_s for each reference_s, the shortest of both: hardly tells of the machine
open_100_s   open_s with 100 experiments, in the same browser
filter_s     from a word in the search field until table and chart show what is left, median
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import histories

ROOT = Path(__file__).parents[1]
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
_FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

_REFERENCE = """() => {
  const row = (_, at) => ({ at, value: (at * 7919) % 10007, name: `row ${at}` });
  const rows = Array.from({ length: 60000 }, row);
  let text = JSON.stringify(rows);
  for (let round = 0; round < 4; round++) {
    const read = JSON.parse(text);
    read.sort((a, b) => a.value - b.value || a.name.localeCompare(b.name));
    text = JSON.stringify(read);
  }
  const canvas = document.createElement("canvas");
  const pen = Object.assign(canvas, { width: 900, height: 400 }).getContext("2d");
  for (const row of rows) {
    pen.beginPath();
    pen.arc(row.at % 900, row.value % 400, 4, 0, 6.3);
    pen.stroke();
  }
  const table = document.createElement("table");
  for (const row of rows.slice(0, 5000)) {
    const line = table.insertRow();
    line.insertCell().textContent = row.name;
    line.insertCell().textContent = String(row.value);
  }
  document.body.append(table);
  return table.offsetHeight;
}"""


def main(argv: Sequence[str]) -> int:
    """Take the figures and print them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench report",
        description="What the report costs where the history is long.",
        epilog="Example: python -m bench report --experiments 10000 --json",
    )
    parser.add_argument("--experiments", type=int, default=10_000, help="in the history (10,000)")
    parser.add_argument("--repetitions", type=int, default=5, help="of opening the page (5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if _CHROMIUM is None:
        print("error: chromium is missing: apt-get install chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="mergelab-bench-") as folder:
        figures = measure(options.experiments, options.repetitions, Path(folder))
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:12} {value:.3f}")
    return 0


def measure(experiments: int, repetitions: int, place: Path) -> dict[str, float]:
    """Make the pages and open them."""
    page, make_s = make(experiments, place / "long")
    small, _ = make(100, place / "short")
    opened, worked, filtered, reference = opening(page, repetitions, place / "profile")
    opened_100, _, _, _ = opening(small, repetitions, place / "profile")
    return {
        "experiments": experiments,
        "make_s": make_s,
        "page_mb": page.stat().st_size / 1e6,
        "open_s": statistics.median(opened),
        "open_cpu_s": statistics.median(worked),
        "reference_s": statistics.median(reference),
        "open_ratio": min(worked) / min(reference),
        "open_100_s": statistics.median(opened_100),
        "filter_s": statistics.median(filtered),
    }


def make(experiments: int, repository: Path) -> tuple[Path, float]:
    """The page of a made-up programme, and how long `bot report` took."""
    repository.mkdir(parents=True)
    identity = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
        if command[0] == "add":
            for name in ("bot.toml", "train.py"):
                (repository / name).write_bytes((ROOT / name).read_bytes())
        subprocess.run(["git", *identity, *command], cwd=repository, check=True)
    histories.write(repository, experiments)
    started = time.perf_counter()
    command = [sys.executable, "-m", "bot", "report", "--output", "page.html", "--json"]
    environment = {
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(repository),
    }
    subprocess.run(command, cwd=repository, env=environment, check=True, capture_output=True)
    return repository / "page.html", time.perf_counter() - started


def opening(
    page: Path, repetitions: int, profile: Path
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Seconds until the page is drawn, of the main thread for that, and until a filter is; and
    of the main thread for the piece of work that the second is compared with.

    Once for each repetition.
    """
    from playwright.sync_api import sync_playwright

    opened, worked, filtered, reference = [], [], [], []
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=_CHROMIUM, args=_FLAGS
        )
        try:
            for _ in range(repetitions):
                tab, inside = _tab(context)
                tab.evaluate(_REFERENCE)
                reference.append(_thread_s(inside))
                tab.close()
                tab, inside = _tab(context)
                started = time.perf_counter()
                tab.goto(page.as_uri())
                tab.wait_for_selector("html[data-drawn]", state="attached", timeout=300_000)
                opened.append(time.perf_counter() - started)
                worked.append(_thread_s(inside))
                started = time.perf_counter()
                tab.get_by_role("searchbox").fill("constant 7 ")
                tab.evaluate("new Promise((done) => requestAnimationFrame(() => done()))")
                filtered.append(time.perf_counter() - started)
                tab.close()
        finally:
            context.close()
    return opened, worked, filtered, reference


def _tab(context: Any) -> tuple[Any, Any]:
    """A new tab, and the way to its figures."""
    tab = context.new_page()
    inside = context.new_cdp_session(tab)
    inside.send("Performance.enable", {"timeDomain": "threadTicks"})
    return tab, inside


def _thread_s(inside: Any) -> float:
    """What the main thread has worked in this page so far."""
    told = inside.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in told if one["name"] == "ThreadTime"))
