"""The same for a user who is not root: no control group may be there, only user namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
USER = "62001"

PROGRAM = """
import dataclasses, json, sys, tempfile
from pathlib import Path
from runner.sandbox.base import Job, Limits
from runner.sandbox.choose import choose
from runner.sandbox.runtime import runtime_mounts
python = Path(sys.executable)
sandbox = choose("auto")
results = []
for code in json.loads(sys.argv[1]):
    with tempfile.TemporaryDirectory() as folder:
        job = Job((str(python), "-I", "-S", "-c", code),
                  Limits(wall_s=20, memory_bytes=128 << 20, processes=32, output_bytes=1 << 20,
                         output_files=10),
                  mounts=runtime_mounts(python))
        outcome = sandbox.run(job, Path(folder, "out"))
        results.append({
            "ended": outcome.ended, "code": outcome.exit_code, "note": outcome.note,
            "log": outcome.log_tail.decode(),
            "files": {p.name: p.read_text() for p in Path(folder, "out").iterdir()},
        })
print(json.dumps({
    "results": results,
    "guarantees": {g.name: g.how for g in sandbox.guarantees() if g.held},
}))
"""


def as_ordinary_user(folder: Path, *codes: str) -> dict[str, Any]:
    command = [sys.executable]
    if os.geteuid() == 0:
        # Another interpreter than ours if ours lies in root's home.
        python = sys.executable if _reachable(Path(sys.executable)) else "/usr/bin/python3"
        drop = ["--reuid", USER, "--regid", USER, "--clear-groups", "--inh-caps=-all"]
        command = [str(shutil.which("setpriv")), *drop, python]
        folder.chmod(0o777)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    done = subprocess.run(
        [*command, "-c", PROGRAM, json.dumps(codes)],
        env={"PYTHONPATH": f"{REPOSITORY}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, cwd="/", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _reachable(path: Path) -> bool:
    return all(one.stat().st_mode & 1 for one in (path, path.resolve(), *path.resolve().parents))


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return as_ordinary_user(
        tmp_path_factory.mktemp("user"),
        "import os; open('/out/x', 'w').write('made'); print(os.getuid())",
        "import os; open('/out/x', 'w').write('made'); os.chmod('/out/x', 0)",
        "import os; os.symlink('/etc/passwd', '/out/x')",
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
        "import os, time\ntry:\n    for n in range(100):\n"
        "        if os.fork() == 0: time.sleep(60)\nexcept OSError: print(n)",
        "import os\nfor name in ('CapEff', 'Seccomp', 'NoNewPrivs'):\n"
        "    print([l.split()[1] for l in open('/proc/self/status') if l.startswith(name + ':')])",
        "import os, sys\n"
        "for path in ('/proc/1/exe', '/proc/self/exe', os.__file__, '/dev/null', '/'):\n"
        "    try: os.chmod(path, 0o777); print('changed', path)\n"
        "    except OSError: pass",
    )


def test_output_is_read_back(answer: dict[str, Any]) -> None:
    honest = answer["results"][0]
    assert honest == {
        "ended": "exited", "code": 0, "note": "", "log": "1000\n", "files": {"x": "made"},
    }  # fmt: skip


def test_an_unreadable_file_is_refused(answer: dict[str, Any]) -> None:
    refused = answer["results"][1]
    assert (refused["ended"], refused["files"]) == ("output-limit", {})
    assert "cannot be read (EACCES): x" in refused["note"]


def test_a_link_is_refused(answer: dict[str, Any]) -> None:
    refused = answer["results"][2]
    assert (refused["ended"], refused["files"]) == ("output-limit", {})


def test_memory_is_bounded(answer: dict[str, Any]) -> None:
    assert answer["results"][3]["ended"] == "out-of-memory"


def test_processes_are_bounded(answer: dict[str, Any]) -> None:
    assert 16 <= int(answer["results"][4]["log"]) <= 36


def test_nothing_can_be_done_but_compute(answer: dict[str, Any]) -> None:
    assert answer["results"][5]["log"] == "['0000000000000000']\n['2']\n['1']\n"


def test_files_of_the_user_cannot_be_changed_by_way_of_proc(answer: dict[str, Any]) -> None:
    assert answer["results"][6]["log"] == ""


def test_it_says_how_memory_is_held(answer: dict[str, Any]) -> None:
    how = answer["guarantees"]["memory"]
    assert how.startswith(("control group v", "watcher every"))
