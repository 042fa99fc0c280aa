"""The network is for agents that a person granted it, and never for a candidate."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from runner.sandbox import arguments
from runner.sandbox.base import Job, Limits
from runner.sandbox.docker.backend import Docker
from runner.sandbox.runtime import ETC_FILES, etc_files
from tests.runner.sandbox.conftest import Run

TOP = Path(__file__).parents[3]
GRANTS = {"bot/proposers/command.py"}
"""The only place that may set `network` of a job."""


def sets_network(tree: ast.AST) -> bool:
    """Whether a job is made, or made again, with a say about the network."""
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in {"Job", "replace", "with_"}
        and any(keyword.arg in {"network", None} for keyword in node.keywords)
        for node in ast.walk(tree)
    )


def test_only_the_command_proposer_sets_it() -> None:
    files = [path for folder in ("runner", "bot", "bench") for path in (TOP / folder).rglob("*.py")]
    sources = {str(path.relative_to(TOP)): path.read_text(encoding="utf-8") for path in files}
    found = {
        name
        for name, text in sources.items()
        if "network" in text and sets_network(ast.parse(text))
    }
    assert found == GRANTS


def test_a_job_has_none_unless_it_says_so() -> None:
    assert Job(("/bin/true",), Limits(wall_s=1)).network is False
    assert "--share-net" not in list(arguments.confinement(disable_user_namespaces=True))
    shared = list(arguments.confinement(disable_user_namespaces=True, network=True))
    assert shared.index("--share-net") > shared.index("--unshare-all")


def test_name_servers_and_authorities_are_shown_only_with_it() -> None:
    assert etc_files() == ETC_FILES
    assert set(ETC_FILES) <= set(etc_files(network=True))
    assert "dns" in etc_files(network=True)["/etc/nsswitch.conf"]


def test_docker_gives_it_to_nobody(tmp_path: Path) -> None:
    docker = Docker.__new__(Docker)  # refused before the engine is asked
    job = Job(("/bin/true",), Limits(wall_s=1), network=True)
    with pytest.raises(ValueError, match="no job the network"):
        docker.run(job, tmp_path / "out")


def test_a_candidate_has_no_way_out(run: Run) -> None:
    ran = run("print(len(open('/proc/net/route').readlines()))")
    assert ran.text == "1\n"  # the heading and no route
