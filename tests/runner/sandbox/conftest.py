from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.sandbox import cgroups
from runner.sandbox.base import Job, Limits, Mount, Outcome, Sandbox
from runner.sandbox.choose import choose
from runner.sandbox.runtime import runtime_mounts

PYTHON = Path(sys.executable)
MIB = 1 << 20
LIMITS = Limits(
    wall_s=30,
    memory_bytes=256 * MIB,
    processes=64,
    output_bytes=4 * MIB,
    output_files=20,
    scratch_bytes=8 * MIB,
    shared_memory_bytes=8 * MIB,
    log_bytes=16 << 10,
)


@dataclass(frozen=True)
class Ran:
    """How a job went, what it left, and the mark on its command line."""

    outcome: Outcome
    folder: Path
    mark: str

    @property
    def text(self) -> str:
        return self.outcome.log_tail.decode(errors="replace")

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return choose("bubblewrap")


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """What runs the code in the sandbox."""
    return PYTHON


@pytest.fixture
def run(sandbox: Sandbox, interpreter: Path, tmp_path: Path) -> Run:
    """Run Python code in the sandbox."""

    def go(
        code: str,
        *,
        python: Path = interpreter,
        within: Sandbox = sandbox,
        environment: Mapping[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
        on_output: Callable[[bytes], None] | None = None,
        packages: bool = False,
        **limits: float,
    ) -> Ran:
        mark = uuid.uuid4().hex
        flags = ("-I",) if packages else ("-I", "-S")
        job = Job(
            argv=(str(python), *flags, "-u", "-c", code, mark),
            limits=replace(LIMITS, **limits),  # type: ignore[arg-type]
            environment=environment or {},
            mounts=(*runtime_mounts(python), *mounts),
        )
        folder = tmp_path / mark
        return Ran(within.run(job, folder, on_output), folder, mark)

    return go


@pytest.fixture
def without_control_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where none can be had, so that the watcher has to do."""
    monkeypatch.setattr(cgroups, "find", lambda: None)


def alive(mark: str) -> list[int]:
    """Processes of this machine with `mark` on their command line."""
    assert mark, "every process has nothing on its command line"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def assert_gone(mark: str) -> None:
    """The kernel takes a moment to pass a death on from process to process."""
    end = time.monotonic() + 60
    while alive(mark):
        assert time.monotonic() < end, "processes outlived their runner"
        time.sleep(0.01)
