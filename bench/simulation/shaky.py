"""Git and the forge as the bot meets them in a simulation: with faults around every change."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench.simulation.books import Name, Process, Stage
from bench.simulation.faults import Faults, Killed
from bench.simulation.world import World
from bot.forge.base import Audits, Forge, ForgeError, OwnRefs, Unreachable
from bot.git import GitError, Repository
from bot.git.process import Completed, Git

_CHANGES = {"hash-object", "mktree", "commit-tree", "update-ref", "push"}
_MOVES = {"update-ref", "push"}
_WRITES = {
    *("open", "push", "comment", "set_labels", "start", "record", "record_many", "post", "review"),
    *("react", "merge", "close", "advance", "audits.begin", "audits.record", "own_refs.publish"),
}


class ShakyGit(Git):
    """Git whose caller can be killed before and after each change, and whose disk fills up.

    Others may act (`between`) in the instant before refs move, here or on GitHub.
    """

    def __init__(self, git: Git, faults: Faults, between: Callable[[], None]) -> None:
        super().__init__(git.place)
        self._git = git
        self._faults = faults
        self._between = between

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Reading does no harm."""
        return self._git.start(*arguments)

    def _once(
        self,
        arguments: Sequence[str | bytes],
        stdin: bytes,
        environment: Mapping[str, str] | None,
    ) -> Completed:
        command = next((word for word in arguments if word in _CHANGES), "")
        changes = command != ""
        if command in _MOVES:
            self._between()
        if changes and self._faults.strikes("killed at a git command"):
            raise Killed(f"before git {command!r}")
        if changes and self._faults.strikes("disk full"):
            raise GitError("The disk is full: git could not write.")
        done = self._git._once(arguments, stdin, environment)
        if changes and self._faults.strikes("killed at a git command"):
            raise Killed(f"after git {command!r}")
        return done


def repository_on(git: Git) -> Repository:
    """A repository on another git than the usual one."""
    repository = Repository(git.place)
    repository.git = git
    return repository


class ShakyForge:
    """A forge whose writes can be killed, refused, or fail when they have taken effect.

    Others may act around each write (`World.between`), and the books hear of it.
    """

    def __init__(
        self,
        forge: Forge | Audits | OwnRefs,
        world: World,
        process: Process,
        wrote: Callable[[], None],
        prefix: str = "",
    ) -> None:
        """`wrote` is called after every write that took effect; `prefix` names a forge's part."""
        self._forge = forge
        self._prefix = prefix
        self._world = world
        self._process = process
        self._wrote = wrote

    def __getattr__(self, name: str) -> Any:
        value, name = getattr(self._forge, name), f"{self._prefix}{name}"
        if name in {"audits", "own_refs"}:
            return ShakyForge(value, self._world, self._process, self._wrote, f"{name}.")
        if name in _WRITES:
            return self._watched(self._shaken(name, value))
        return self._watched(value) if callable(value) else value

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Notes whether the forge was well at the last call."""

        def watched(*arguments: Any, **named: Any) -> Any:
            try:
                answer = call(*arguments, **named)
            except (ForgeError, GitError):
                self._process.troubled = True
                raise
            self._process.troubled = False
            return answer

        return watched

    def _shaken(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def shaken(*arguments: Any, **named: Any) -> Any:
            faults, books = self._world.faults, self._world.books
            self._world.between(self._process.name)
            works = list(self._works(name, arguments))
            for work in works:
                books.hand_in(work, self._process)
            if faults.strikes("killed at a write to the forge"):
                raise Killed(f"before {name}")
            if faults.strikes("refused before effect"):
                raise Unreachable(f"503 before {name}. Try again.", 30)
            answer = write(*arguments, **named)
            for work in works:
                books.keep(work)
            self._wrote()
            if faults.strikes("failed after effect"):
                raise Unreachable(f"502 after {name}. Try again.")
            if faults.strikes("killed at a write to the forge"):
                raise Killed(f"after {name}")
            self._world.between(self._process.name)
            return answer

        return shaken

    def _works(self, name: str, arguments: tuple[Any, ...]) -> Iterator[Name]:
        """What was paid for that a write brings to the forge."""
        match name, arguments:
            case "record", (_, attempt, index, _):
                yield attempt, index
            case "record_many", (_, attempt, results):
                yield from ((attempt, index) for index in results)
            case "audits.record", (session, index, _):
                yield f"audit-{session}", index
            case (("push" | "comment"), (number, *_)):
                for work, known in self._world.books.works.items():
                    mine = known.by is self._process and known.stage is Stage.FINISHED
                    if mine and work[:2] == ("revision", number):
                        yield work
