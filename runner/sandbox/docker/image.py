"""The image that jobs run in: found by the name in bot.toml, used by its digest.

An image is never fetched. Its labels say where its interpreter is, and, for one that was
made from an environment of this machine, from which state of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from docker.errors import ImageNotFound

from runner.errors import SandboxUnavailable
from runner.sandbox.base import Mount
from runner.sandbox.docker.engine import ENGINE_ERRORS, Engine, said

INTERPRETER_LABEL = "mergelab.interpreter"
ENVIRONMENT_LABEL = "mergelab.environment"
_BUILD_IT = "Build it with `python -m runner image --build`"


@dataclass(frozen=True)
class Image:
    """An image, pinned."""

    name: str  # as it was asked for
    id: str  # sha256:... of its configuration, which pins all of its content
    interpreter: str  # absolute path inside
    environment: str  # digest of the environment that it was copied from; empty for others
    variables: tuple[str, ...]  # names that its own configuration puts into the environment


def find(engine: Engine, name: str) -> Image:
    """The image of this name, tag, digest or id.

    Raises:
        SandboxUnavailable: the engine does not have it, or it cannot be used.
    """
    try:
        found = engine.client.inspect_image(name)
    except ImageNotFound:
        raise SandboxUnavailable(
            f"The Docker engine at {engine.address} has no image {name!r}. {_BUILD_IT}, or name "
            "another one as sandbox.image in bot.toml; images are never fetched by themselves."
        ) from None
    except ENGINE_ERRORS as error:
        raise SandboxUnavailable(f"The image {name!r} cannot be used: {said(error)}.") from error
    settings = found.get("Config") or {}
    labels = settings.get("Labels") or {}
    interpreter = labels.get(INTERPRETER_LABEL, "")
    if not interpreter.startswith("/"):
        raise SandboxUnavailable(
            f"The image {name!r} does not say where its Python interpreter is. {_BUILD_IT}, or "
            f"give yours the label {INTERPRETER_LABEL}=/path/of/python."
        )
    if settings.get("Volumes"):
        raise SandboxUnavailable(
            f"The image {name!r} declares volumes ({', '.join(settings['Volumes'])}), which a "
            "job could fill without a limit. Take VOLUME out of its Dockerfile."
        )
    return Image(
        name=name,
        id=found["Id"],
        interpreter=interpreter,
        environment=labels.get(ENVIRONMENT_LABEL, ""),
        variables=tuple(one.partition("=")[0] for one in settings.get("Env") or ()),
    )


def environment_digest(runtime: tuple[Mount, ...]) -> str:
    """A digest of which distributions, in which versions, an environment's mounts show."""
    names = []
    for mount in runtime:
        names.append(f"{mount.source is None} {mount.target}")
        if mount.source is not None and mount.source.is_dir():
            for pattern in ("*.dist-info", "python3*/*-packages/*.dist-info"):
                names += [str(path.relative_to(mount.source)) for path in _sorted(mount, pattern)]
    return hashlib.sha256("\n".join(names).encode(errors="surrogateescape")).hexdigest()


def _sorted(mount: Mount, pattern: str) -> list[Path]:
    return sorted(mount.source.glob(pattern)) if mount.source is not None else []
