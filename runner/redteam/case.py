"""One attack: which hostile candidate, how it is run, and how it may end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runner.result import Status

CANDIDATES = Path(__file__).with_name("candidates")


class Family(StrEnum):
    """What an attack is after."""

    READING = "reading"  # targets, sealed data, other runs, secrets of the host
    FORGING = "forging"  # a better result without better predictions
    CLOCKS = "clocks"  # more time than the budget
    RESOURCES = "resources"  # more of the machine than its limits
    STATE = "state"  # from one run to the next, or between the two sides of one
    ESCAPING = "escaping"  # out of the sandbox
    NETWORK = "network"  # to other machines and to services of this one
    TALKING = "talking"  # to the people and models that read logs
    LUCK = "luck"  # best of several tries
    DIFF = "diff"  # past the rules of what a pull request may change


@dataclass(frozen=True)
class Case:
    """An attack. Its `train.py` is `candidates/<family>/<name>.py`."""

    family: Family
    name: str
    ends: frozenset[Status] = frozenset({Status.OK})
    """How the measurement may end; anything else means that the attack was not really tried."""
    hurry: bool = False
    """With a second of time, for what has to be killed."""
    runs: int = 1
    """How often it is run in a row, for what one run leaves to the next."""
    smoke: bool = False
    """Whether a smoke run goes before."""
    gpu: bool = False
    """Whether it needs a GPU."""
    otherwise: str = "it gained nothing: what it looked for was not there"
    """What stopped it where neither the runner nor the candidate tells."""

    @property
    def source(self) -> bytes:
        """The hostile `train.py`."""
        return (CANDIDATES / self.family / f"{self.name}.py").read_bytes()


def candidate_files(train: bytes, known: bytes) -> dict[str, bytes]:
    """The files of a candidate: the hostile one, the kit, and what the attacker knows."""
    kit = (CANDIDATES / "kit.py").read_bytes()
    return {"train.py": train, "kit.py": kit, "known.json": known}


def honest_source() -> bytes:
    """The honest `train.py`."""
    return (CANDIDATES / "honest.py").read_bytes()
