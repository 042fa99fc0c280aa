"""Which sandbox a run gets. Never a weaker one than was asked for, and never silently."""

from __future__ import annotations

import sys
from collections.abc import Callable

from runner.errors import SandboxUnavailable
from runner.sandbox import cgroups, orphans
from runner.sandbox.base import Sandbox
from runner.settings import DEFAULT_IMAGE

BACKENDS = ("auto", "docker", "bubblewrap", "none")
OPT_IN = "--i-know-this-is-not-a-sandbox"


def say(line: str) -> None:
    """Tell the person at the keyboard, on standard error."""
    print(line, file=sys.stderr, flush=True)


def choose(
    backend: str,
    allow_none: bool = False,
    *,
    image: str = DEFAULT_IMAGE,
    runtime: str | None = None,
    tell: Callable[[str], None] = say,
) -> Sandbox:
    """The sandbox of this name, tried out on this machine.

    `auto` takes Docker where an engine answers that has `image`, else bubblewrap. A person is
    told where there is an engine, which one it took and why, and is warned of `none`. Leftovers
    of runners that were killed are removed first.

    Raises:
        SandboxUnavailable: it cannot be had; the message says what to do. `none` is never
            taken unless it is named and `allow_none` is set.
    """
    reap_orphans()
    if backend == "none":
        if not allow_none:
            raise SandboxUnavailable(
                'The sandbox backend "none" confines nothing: a candidate could read, change '
                f"and send away everything that you can. If that is really meant, add {OPT_IN}; "
                'otherwise set sandbox.backend = "auto" in bot.toml.'
            )
        from runner.sandbox.unconfined import WARNING, Unconfined

        tell(WARNING)
        return Unconfined()
    if backend == "docker":
        from runner.sandbox.docker.backend import Docker

        return Docker(image, runtime)
    if backend == "auto":
        return _docker_if_possible(image, runtime, tell) or choose("bubblewrap")
    if backend == "bubblewrap":
        from runner.sandbox.bubblewrap import Bubblewrap

        return Bubblewrap()
    raise SandboxUnavailable(
        f"There is no sandbox backend {backend!r}; sandbox.backend in bot.toml can be "
        f"{', '.join(BACKENDS)}."
    )


def _docker_if_possible(
    image: str, runtime: str | None, tell: Callable[[str], None]
) -> Sandbox | None:
    from runner.sandbox.docker.address import address

    if address() is None and runtime is None:
        return None
    try:
        sandbox = choose("docker", image=image, runtime=runtime)
    except SandboxUnavailable as error:
        if runtime is not None:
            raise  # it was asked for by name, and only Docker has it
        tell(f"sandbox: bubblewrap, because Docker cannot be used. {error}")
        return None
    tell(f"sandbox: Docker, because its engine answers and has the image {image}.")
    return sandbox


def reap_orphans() -> int:
    """Remove what killed runners left behind: processes, control groups, folders; how many."""
    from runner.sandbox.unconfined import reap_folders

    return orphans.reap() + cgroups.reap_orphans() + reap_folders()
