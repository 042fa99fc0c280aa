"""The connection to an engine, what the engine can enforce, and its errors in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from runner.errors import SandboxUnavailable
from runner.sandbox.docker.address import address

ENGINE_ERRORS = (DockerException, RequestException, HTTPError)
PATIENCE_S = 30  # for one answer of the engine
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # some engines name them like this


@dataclass(frozen=True)
class Facts:
    """What an engine says about itself."""

    version: str
    machine: str  # as `uname -m` names it
    default_runtime: str
    runtimes: frozenset[str]
    memory_limit: bool
    swap_limit: bool
    processes_limit: bool
    processor_limit: bool
    processors: int
    seccomp: bool
    apparmor: bool
    rootless: bool
    user_namespaces: bool  # container users are other users outside (userns-remap)


@dataclass(frozen=True)
class Engine:
    """A connection. It may be used by several threads at once."""

    address: str
    client: Any  # docker.APIClient
    facts: Facts

    def try_to(self, call: Callable[[], object]) -> bool:
        """Make a call that may be too late or in vain; whether it went well or was too late."""
        try:
            call()
        except NotFound:
            return True
        except APIError as error:
            return bool(error.status_code == 409)  # not running, or being removed already
        except ENGINE_ERRORS:
            return False
        return True

    def kill(self, name: str) -> bool:
        """Kill a container; whether there is nothing left to kill."""
        return self.try_to(lambda: self.client.kill(name, signal="SIGKILL"))

    def remove(self, name: str) -> bool:
        """Kill and remove a container; whether it is gone or on its way."""
        return self.try_to(lambda: self.client.remove_container(name, force=True, v=True))

    def remove_volume(self, name: str) -> bool:
        """Remove a volume."""
        return self.try_to(lambda: self.client.remove_volume(name, force=True))


def connect() -> Engine:
    """The engine of DOCKER_HOST, of this machine or of this user.

    Raises:
        SandboxUnavailable: none answers.
    """
    where = address()
    if where is None:
        raise SandboxUnavailable(
            "No Docker engine was found: DOCKER_HOST is not set, and no engine's socket can be "
            "used by this user. Start Docker, join the group docker, or use bubblewrap "
            '(sandbox.backend = "bubblewrap" in bot.toml).'
        )
    try:
        arguments = {**kwargs_from_env(), "base_url": where}
        client = docker.APIClient(**arguments, version="auto", timeout=PATIENCE_S)
        return Engine(where, client, _facts(client.info()))
    except (*ENGINE_ERRORS, OSError, ValueError) as error:
        raise SandboxUnavailable(
            f"The Docker engine at {where} does not answer: {said(error)}. Start it, correct "
            "DOCKER_HOST, or set sandbox.backend in bot.toml to bubblewrap."
        ) from error


def said(error: BaseException) -> str:
    """What the engine said, in one bounded line."""
    text = getattr(error, "explanation", None) or str(error)
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return " ".join(str(text).split())[:500].rstrip(".")


def _facts(info: dict[str, Any]) -> Facts:
    machine = str(info.get("Architecture", "unknown"))
    security = {
        dict(part.partition("=")[::2] for part in option.split(",")).get("name", "")
        for option in info.get("SecurityOptions") or ()
    }
    return Facts(
        version=str(info.get("ServerVersion", "unknown")),
        machine=_MACHINES.get(machine, machine),
        default_runtime=str(info.get("DefaultRuntime") or "runc"),
        runtimes=frozenset(info.get("Runtimes") or ()),
        memory_limit=bool(info.get("MemoryLimit")),
        swap_limit=bool(info.get("SwapLimit")) or _counts_swap(info),
        processes_limit=bool(info.get("PidsLimit")),
        processor_limit=bool(info.get("CpuCfsQuota")),
        processors=int(info.get("NCPU") or 1),
        seccomp="seccomp" in security,
        apparmor="apparmor" in security,
        rootless="rootless" in security,
        user_namespaces="userns" in security,
    )


def _counts_swap(info: dict[str, Any]) -> bool:
    """Control groups of version 2 always count swap; engines may say otherwise."""
    return str(info.get("CgroupVersion")) == "2" and bool(info.get("MemoryLimit"))
