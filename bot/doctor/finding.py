"""What a check says: how something stands, and what to do where it stands badly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something stands."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table. `fix` is empty where nothing has to be done."""

    name: str
    state: State
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(name, State.OK, found)


def note(name: str, found: str, fix: str = "") -> Finding:
    """A step can begin all the same, but a person may want to know."""
    return Finding(name, State.NOTE, found, fix)


def problem(name: str, found: str, fix: str) -> Finding:
    """A step would not get far."""
    return Finding(name, State.PROBLEM, found, fix)
