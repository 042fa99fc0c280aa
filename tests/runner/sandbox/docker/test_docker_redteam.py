"""The red team gets no further under Docker than under bubblewrap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.redteam.case import Case, Family
from runner.redteam.play import Play, leftovers, prepared
from runner.redteam.suite import SUITE
from runner.settings import RunnerSettings

TOP = Path(__file__).parents[4]
FAMILIES = [family for family in Family if family is not Family.DIFF]
FIRST = {
    "targets_by_path", "pickled_object", "ignores_signals", "memory", "fork_bomb",
    "leftover_helper", "mount", "own_terminal", "host_services", "secrets_in_exceptions",
    "stacked_tries",
}  # fmt: skip
"""At least one attack of each family, for `make test`; all of them are in `make verify`."""


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


def withstands(play: Play, honest: float, cases: list[Case]) -> None:
    """Every attack is blocked, and breaks nothing for the next run."""
    assert play.observed.name == "docker"
    findings = [play.attack(case, honest) for case in cases]
    assert [finding for finding in findings if not finding.blocked] == []
    assert all(finding.by for finding in findings), "each says what stopped it"
    assert play.honest() == honest
    assert leftovers() == []


def test_attacks_of_every_family_are_blocked_in_containers_too(play: Play, honest: float) -> None:
    first = [case for case in SUITE if case.name in FIRST]
    assert {case.family for case in first} == set(FAMILIES)
    assert {case.name for case in first} == FIRST
    withstands(play, honest, first)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_attack_is_blocked_and_breaks_nothing_for_the_next_run(
    family: Family, play: Play, honest: float
) -> None:
    withstands(play, honest, [case for case in SUITE if case.family is family and not case.gpu])
