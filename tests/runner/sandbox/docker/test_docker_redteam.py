"""The red team gets no further under Docker than under bubblewrap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.redteam.case import Family
from runner.redteam.play import Play, leftovers, prepared
from runner.redteam.suite import SUITE
from runner.settings import RunnerSettings

TOP = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def play(docker_host: str, image: str, interpreter: Path) -> Iterator[Play]:
    """The suite, ready to be run under Docker; its candidates need the bare interpreter only."""
    settings = RunnerSettings.model_validate(
        {
            "candidate": {"python": str(interpreter)},
            "budget": {"profile": "cpu"},
            "sandbox": {"backend": "docker", "image": image},
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_host)
        with prepared(TOP, settings) as made:
            yield made


@pytest.fixture(scope="module")
def honest(play: Play) -> float:
    """What the honest candidate reaches before any attack."""
    return play.honest()


@pytest.mark.parametrize("family", [family for family in Family if family is not Family.DIFF])
def test_every_attack_is_blocked_and_breaks_nothing_for_the_next_run(
    family: Family, play: Play, honest: float
) -> None:
    assert play.observed.name == "docker"
    findings = [
        play.attack(case, honest) for case in SUITE if case.family is family and not case.gpu
    ]
    assert [finding for finding in findings if not finding.blocked] == []
    assert all(finding.by for finding in findings), "each says what stopped it"
    assert play.honest() == honest
    assert leftovers() == []
