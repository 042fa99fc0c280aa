from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from runner.interpreter import find_interpreter
from runner.settings import CandidateTable


def installed(folder: Path, name: str, version: str) -> None:
    """What `pip install` leaves: enough for importlib.metadata."""
    (packages,) = folder.glob("lib/python3*/site-packages")
    info = packages / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_other_packages_are_another_environment(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    table = CandidateTable(python=str(venv / "bin/python"))
    seen = [find_interpreter(tmp_path, table)]
    installed(venv, "numpy", "2.4.6")
    seen.append(find_interpreter(tmp_path, table))
    assert find_interpreter(tmp_path, table) == seen[-1]
    installed(venv, "torch", "2.13.0+cpu")
    seen.append(find_interpreter(tmp_path, table))
    assert len({one.packages for one in seen}) == 3
    assert [one.torch for one in seen] == ["", "", "2.13.0+cpu"]
