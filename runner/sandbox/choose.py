"""Which sandbox a run gets. Never a weaker one than was asked for, and never silently."""

from __future__ import annotations

from runner.errors import SandboxUnavailable
from runner.sandbox import cgroups, launch
from runner.sandbox.base import Sandbox

BACKENDS = ("auto", "bubblewrap", "none")
OPT_IN = "--i-know-this-is-not-a-sandbox"


def choose(backend: str, allow_none: bool = False) -> Sandbox:
    """The sandbox of this name, tried out on this machine; `auto` takes the strongest.

    Leftovers of runners that were killed are removed first.

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
        from runner.sandbox.unconfined import Unconfined

        return Unconfined()
    if backend in ("auto", "bubblewrap"):
        from runner.sandbox.bubblewrap import Bubblewrap

        return Bubblewrap()
    raise SandboxUnavailable(
        f"There is no sandbox backend {backend!r}; sandbox.backend in bot.toml can be "
        f"{', '.join(BACKENDS)}."
    )


def reap_orphans() -> int:
    """Remove what killed runners left behind: processes, control groups, folders; how many."""
    from runner.sandbox.unconfined import reap_folders

    return launch.reap_orphans() + cgroups.reap_orphans() + reap_folders()
