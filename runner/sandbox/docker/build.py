"""Making the image that jobs run in: from this machine's own files, or from a Dockerfile."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner.errors import RunnerError, SandboxUnavailable
from runner.sandbox.arguments import OURS
from runner.sandbox.docker import rootfs
from runner.sandbox.docker.engine import ENGINE_ERRORS, Engine, said
from runner.sandbox.docker.image import (
    ENVIRONMENT_LABEL,
    INTERPRETER_LABEL,
    Image,
    environment_digest,
    find,
)
from runner.sandbox.runtime import runtime_mounts

_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./+@=-]+")


def build_local(engine: Engine, name: str, python: Path) -> Image:
    """Import an image `name` made of the interpreter at `python` and what it needs.

    Nothing is fetched from anywhere. Takes as long as copying the environment does.

    Raises:
        SandboxUnavailable: the interpreter does not start, or the engine refuses.
    """
    runtime = runtime_mounts(python)
    inside = os.path.abspath(python)  # noqa: PTH100 - resolving would leave the environment
    if not _PLAIN_PATH.fullmatch(inside):
        raise SandboxUnavailable(f"The path {inside!r} is too odd for the label of an image.")
    if any(Path(mount.target).is_relative_to(ours) for mount in runtime for ours in OURS):
        raise SandboxUnavailable(
            f"Jobs have folders of their own at {', '.join(OURS)}, which would hide {inside}. "
            "Make the environment for candidates somewhere else."
        )
    marks = {INTERPRETER_LABEL: inside, ENVIRONMENT_LABEL: environment_digest(runtime)}
    reading, writing = os.pipe2(os.O_CLOEXEC)
    errors: list[BaseException] = []

    def pack() -> None:
        try:
            with os.fdopen(writing, "wb") as target:
                rootfs.write(target, runtime)
        except BaseException as error:
            errors.append(error)

    packer = threading.Thread(target=pack, daemon=True)
    packer.start()
    repository, tag = _split(name)
    with os.fdopen(reading, "rb") as stream:
        try:
            answer = engine.client.import_image_from_stream(
                stream,
                repository=repository,
                tag=tag,
                changes=[f'LABEL {key}="{value}"' for key, value in marks.items()],
            )
        except ENGINE_ERRORS as error:
            raise _refused(said(error)) from error
    packer.join()
    if errors:
        raise errors[0]
    for message in _messages(answer.splitlines()):
        _raise_error(message)
    return find(engine, name)


def build_from_dockerfile(
    engine: Engine,
    name: str,
    dockerfile: Path,
    *,
    context: Mapping[str, Path],
    arguments: Mapping[str, str],
    tell: Callable[[str], None],
) -> Image:
    """Build an image `name`; its base and its packages come from the network.

    `context` gives the files that the Dockerfile may copy, by name. `tell` gets the lines of
    the build as they come.

    Raises:
        SandboxUnavailable: with what the engine said.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for inside, path in {**context, "Dockerfile": dockerfile}.items():
            archive.add(path, inside)
    packed.seek(0)
    try:
        lines = engine.client.build(
            fileobj=packed, custom_context=True, tag=name, buildargs=dict(arguments),
            rm=True, forcerm=True, pull=False, timeout=None,
        )  # fmt: skip
        for message in _messages(lines):
            _raise_error(message)
            if text := str(message.get("stream") or message.get("status") or "").strip():
                tell(text)
    except ENGINE_ERRORS as error:
        raise _refused(said(error)) from error
    return find(engine, name)


def _messages(lines: Any) -> Any:
    """The JSON objects that an engine reports with, some of them several to a piece."""
    for piece in lines:
        for line in (piece.decode() if isinstance(piece, bytes) else piece).splitlines():
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError:
                    raise RunnerError(
                        f"The Docker engine answered with something else than JSON: {line[:200]}. "
                        "Update it and run this again."
                    ) from None


def _raise_error(message: Mapping[str, Any]) -> None:
    if message.get("error"):
        raise _refused(" ".join(str(message["error"]).split())[:500].rstrip("."))


def _refused(reason: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        f"The Docker engine does not build the image: {reason}. Without access to a hub, "
        "`python -m runner image --build --base local` makes one from this machine's files."
    )


def _split(name: str) -> tuple[str, str]:
    """Repository and tag; a colon may also belong to a registry's port."""
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "latest"
    return repository, tag
