"""The Docker backend in place of bubblewrap, for the same tests and for its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.sandbox.base import Sandbox
from runner.sandbox.choose import choose
from runner.sandbox.docker.address import address
from runner.sandbox.docker.build import build_local
from runner.sandbox.docker.engine import Engine, connect
from tests.engine import REQUIRED, engine, engine_possible

IMAGE = "mergelab-tests"
# The proofs that people are promised: in `make test` wherever an engine answers.
PROOFS = {"test_docker_redteam.py", "test_docker_doctor.py"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    for item in ours:
        if item.path.name not in PROOFS or address() is None:
            item.add_marker(pytest.mark.slow)
    if ours and not REQUIRED and not engine_possible():
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(
                f"NOTICE: no Docker engine here: {len(ours)} tests of the Docker backend are left "
                "out. Start one, or install docker.io and be root (see tests/engine.py).",
                yellow=True,
            )


@pytest.fixture(scope="session")
def docker_host() -> Iterator[str]:
    with engine() as found:
        yield found


@pytest.fixture(autouse=True)
def _reach_the_engine(docker_host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_host)


@pytest.fixture(scope="session")
def connection(docker_host: str) -> Engine:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_host)
        return connect()


@pytest.fixture(scope="session")
def interpreter() -> Iterator[Path]:
    """A bare environment, outside of /tmp, which jobs have to themselves."""
    folder = Path(tempfile.mkdtemp(prefix="mergelab-tests-", dir="/var/tmp"))
    folder.chmod(0o755)
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")]
    subprocess.run(command, check=True)
    yield folder / "venv/bin/python"
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def image(connection: Engine, interpreter: Path) -> Iterator[str]:
    """An image of its files, made without any hub; the name is this process's own."""
    name = f"{IMAGE}:{os.getpid()}"
    build_local(connection, name, interpreter)
    yield name
    connection.client.remove_image(name, force=True)


@pytest.fixture(scope="session")
def sandbox(docker_host: str, image: str) -> Sandbox:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_host)
        return choose("docker", image=image)


@pytest.fixture
def enforced() -> str:
    """Limits are the engine's; there is nothing to vary."""
    return "engine"
