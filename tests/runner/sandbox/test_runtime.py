from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import SandboxUnavailable
from runner.sandbox.runtime import covers, runtime_mounts, system
from tests.runner.sandbox.conftest import Run


def test_the_base_interpreters_own_packages_are_masked() -> None:
    masks = {mount.target for mount in runtime_mounts(Path(sys.executable)) if not mount.source}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path(sys.base_prefix, "lib", version, "site-packages")
    assert packages.is_dir() <= (str(packages) in masks)


def test_its_own_packages_are_not_masked() -> None:
    mounts = runtime_mounts(Path(sys.executable))
    own = next(path for path in sys.path if path.endswith("site-packages"))
    assert covers(mounts, own)
    assert own not in {mount.target for mount in mounts if mount.source is None}


def test_the_bare_system_has_no_settings_and_no_shared_data() -> None:
    shown = {mount.target for mount in system().mounts if mount.source is not None}
    assert not {"/usr", "/usr/local", "/usr/share", "/etc", "/var", "/home", "/opt"} & shown


def test_a_missing_interpreter_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"no Python interpreter at .*candidate\.python"):
        runtime_mounts(tmp_path / "python")


def test_something_that_is_no_interpreter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="does not start"):
        runtime_mounts(Path("/bin/false"))


def test_an_environment_behind_links_works(run: Run, tmp_path: Path) -> None:
    """As uv and pyenv lay them out: links to folders and to programs on the way."""
    tmp_path.chmod(0o755)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "real"], check=True)
    (tmp_path / "current").symlink_to(tmp_path / "real")
    (tmp_path / "python").symlink_to(tmp_path / "current/bin/python")
    for python in (tmp_path / "current/bin/python", tmp_path / "real/bin/python"):
        ran = run("import sys, json, ssl; print(sys.prefix)", python=python, packages=True)
        assert ran.text.strip() == str(python.parents[1]), ran.text
    ran = run("print('direct')", python=tmp_path / "python", packages=True)
    assert ran.text == "direct\n"


def test_an_environment_that_is_the_repository_does_not_show_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    (tmp_path / "secret.txt").touch()
    mounts = runtime_mounts(tmp_path / "bin/python")
    assert not covers(mounts, tmp_path / "secret.txt")
