"""Git and the forge as the bot meets them in a simulation: with faults around every change."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from bench.simulation.faults import Faults, Killed
from bot.forge.base import Forge, Unreachable
from bot.git import GitError, Repository
from bot.git.process import Completed, Git

_CHANGES = {"hash-object", "mktree", "commit-tree", "update-ref"}
_WRITES = {
    *("open", "push", "comment", "set_labels", "start", "record", "post"),
    *("merge", "close", "advance", "begin_audit", "record_audit"),
}


class ShakyGit(Git):
    """Git whose caller can be killed before and after each change, and whose disk fills up."""

    def __init__(self, git: Git, faults: Faults) -> None:
        super().__init__(git.place)
        self._git = git
        self._faults = faults

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Reading does no harm."""
        return self._git.start(*arguments)

    def _once(
        self,
        arguments: Sequence[str | bytes],
        stdin: bytes,
        environment: Mapping[str, str] | None,
    ) -> Completed:
        changes = arguments[0] in _CHANGES
        if changes and self._faults.strikes("killed at a git command"):
            raise Killed(f"before git {arguments[0]!r}")
        if changes and self._faults.strikes("disk full"):
            raise GitError("The disk is full: git could not write.")
        done = self._git._once(arguments, stdin, environment)
        if changes and self._faults.strikes("killed at a git command"):
            raise Killed(f"after git {arguments[0]!r}")
        return done


def repository_on(git: Git) -> Repository:
    """A repository on another git than the usual one."""
    repository = Repository(git.place)
    repository.git = git
    return repository


class ShakyForge:
    """A forge whose writes can be killed, refused, or fail when they have taken effect.

    `between` is called around each: the rest of the world may act there. `after` hears of every
    write that took effect.
    """

    def __init__(
        self,
        forge: Forge,
        faults: Faults,
        between: Callable[[], None],
        after: Callable[[str, tuple[Any, ...]], None],
    ) -> None:
        self._forge = forge
        self._faults = faults
        self._between = between
        self._after = after

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._forge, name)
        return self._shaken(name, value) if name in _WRITES else value

    def _shaken(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(write)
        def shaken(*arguments: Any, **named: Any) -> Any:
            self._between()
            if self._faults.strikes("killed at a write to the forge"):
                raise Killed(f"before {name}")
            if self._faults.strikes("refused before effect"):
                raise Unreachable(f"503 before {name}. Try again.", 30)
            answer = write(*arguments, **named)
            self._after(name, arguments)
            if self._faults.strikes("failed after effect"):
                raise Unreachable(f"502 after {name}. Try again.")
            if self._faults.strikes("killed at a write to the forge"):
                raise Killed(f"after {name}")
            self._between()
            return answer

        return shaken
