"""Whether an engine and an image will do, found out before a job is trusted to them."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from runner.errors import SandboxUnavailable
from runner.sandbox.base import Job, Limits, Mount, Sandbox
from runner.sandbox.docker import filter as call_filter
from runner.sandbox.docker.engine import Engine
from runner.sandbox.docker.image import Image

_PROBE = "open('/out/word', 'w').write(open('/probe/word').read())"
_tried_out: set[tuple[str, str, str | None]] = set()


def check(engine: Engine, runtime: str | None) -> None:
    """Refuse an engine that would leave out a limit, which engines do without an error."""
    facts = engine.facts
    missing = [
        what
        for what, there in (
            ("memory limits", facts.memory_limit),
            ("limits of processes", facts.processes_limit),
            ("system-call filters (seccomp)", facts.seccomp),
        )
        if not there
    ]
    if missing:
        raise SandboxUnavailable(
            f"The Docker engine at {engine.address} cannot enforce {', '.join(missing)}. A "
            "rootless engine needs control groups of version 2 with the controllers memory and "
            'pids delegated to its user; or set sandbox.backend in bot.toml to "bubblewrap".'
        )
    if not call_filter.supported(facts.machine):
        raise SandboxUnavailable(
            f"The Docker engine at {engine.address} runs on {facts.machine}, for which there is no "
            "system-call filter; there is one for x86_64 and for aarch64. Use such a machine."
        )
    if runtime is not None and runtime not in facts.runtimes:
        raise SandboxUnavailable(
            f"The Docker engine at {engine.address} has no runtime {runtime!r}; it knows "
            f"{', '.join(sorted(facts.runtimes))}. Register it with the engine, or correct "
            "sandbox.runtime in bot.toml."
        )


def try_out(sandbox: Sandbox, engine: Engine, image: Image, runtime: str | None) -> None:
    """Run the interpreter once, on a file of this machine, and see that it saw that file."""
    key = (engine.address, image.id, runtime)
    if key in _tried_out:
        return
    with tempfile.TemporaryDirectory(prefix="mergelab-probe-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        probe, word = folder / "probe", secrets.token_hex(16)
        probe.mkdir(mode=0o755)
        (probe / "word").write_text(word)
        job = Job(
            argv=(image.interpreter, "-I", "-S", "-c", _PROBE),
            limits=Limits(wall_s=60, memory_bytes=256 << 20, processes=16, output_bytes=1 << 20),
            mounts=(Mount(probe, "/probe"),),
        )
        outcome = sandbox.run(job, folder / "out")
        kept = folder / "out/word"
        if not kept.is_file() or kept.read_text() != word:
            words = outcome.log_tail.decode(errors="replace").strip()[-300:]
            raise SandboxUnavailable(
                f"A trial job in the image {image.name!r} failed "
                f"({outcome.note or words or outcome.exit_code}). Build the image again "
                "(python -m runner image --build) and see `docker info` for warnings."
            )
    _tried_out.add(key)
