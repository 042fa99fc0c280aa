"""What a script reads: the repository's own files (`needs`) and data beside them (`[[mount]]`)."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from bot.importing.project import Project, is_above
from bot.importing.script import Start

# Folders that a script writes to: earlier runs left them behind.
_WRITTEN = re.compile(
    r"^(out|outputs?|runs?|logs?|checkpoints?|ckpts?|results?|wandb|lightning_logs|tmp|figures?|"
    r"plots?|saved?|weights)([-_.].*)?$",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"""["']([^"'\n]{1,300})["']""")
_WORD = re.compile(r"[\w./~-]{2,300}")
_MOST_MODULES = 200


@dataclass(frozen=True)
class Reads:
    """What a script reads, as bot.toml names it."""

    needs: tuple[str, ...]
    mounts: tuple[str, ...]  # inside the repository, or absolute
    modules: frozenset[str] = frozenset()  # what it imports that is not the project's own


def find_reads(project: Project, start: Start) -> Reads:
    """What the script seems to read: local imports, and names of files that are there."""
    sources, modules = _sources(project, start) if start.is_python else ([start.script], set())
    names = set(start.command[1:])
    for source in sources:
        names |= set(_names(project.text(source), python=source.endswith(".py")))
    needs = {path for path in sources if path != start.script}
    mounts: set[str] = set()
    for name in sorted(names):
        place = _place(project, start, name)
        if place is None or is_above(place, start.script):
            continue
        if not project.has_untracked(place):
            needs.add(place)
        elif not _WRITTEN.match(PurePosixPath(place).name):
            mounts.add(place)
    mounts = set(_outermost(_split(project, mounts, {*needs, start.script})))
    needs = {path for path in needs if not any(is_above(mount, path) for mount in mounts)}
    return Reads(tuple(_outermost(needs)), tuple(sorted(mounts)), frozenset(modules))


def _place(project: Project, start: Start, name: str) -> str | None:
    """Where a name in a script leads, seen from its working folder or its own."""
    plain = re.split(r"[*?\[{]", name)[0].rstrip("/")
    if not plain or plain.startswith("~") or plain in {".", "..", "/"}:
        return None
    above = str(PurePosixPath(start.script).parent)
    for folder in dict.fromkeys((start.folder, above, ".")):
        if (found := project.inside(folder, plain)) is not None:
            return None if found.startswith(".git/") or found == ".git" else found
    return None


def _split(project: Project, mounts: set[str], needed: set[str]) -> Iterator[str]:
    """Folders of data; where the script's own files lie among it, only what git does not have."""
    for mount in sorted(mounts):
        if not any(is_above(mount, path) for path in needed):
            yield mount
            continue
        for child in sorted((project.folder / mount).iterdir()):
            path = f"{mount}/{child.name}"
            if child.name != "__pycache__" and not project.tracked_below(path):
                yield path


def _outermost(paths: set[str] | Iterator[str]) -> list[str]:
    kept: list[str] = []
    for path in sorted(paths):
        if not any(is_above(other, path) for other in kept):
            kept.append(path)
    return kept


def _names(text: str, *, python: bool) -> Iterator[str]:
    """Whatever in a text could name a file."""
    if not python:
        yield from _QUOTED.findall(text)
        yield from _WORD.findall(text)
        return
    tree = _parsed(text)
    for node in ast.walk(tree) if tree else ():
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and 0 < len(value) <= 300 and not {"\n", "\0"} & set(value):
            yield value


def _sources(project: Project, start: Start) -> tuple[list[str], set[str]]:
    """The script and the project's modules that it imports, and the names of all others."""
    found, queue, others = [start.script], [start.script], set[str]()
    words = [word for word in start.command[1:] if word.endswith(".py")]
    for word in words:  # a configuration that the script executes, for example
        path = _place(project, start, word)
        if path in project.tracked and path not in found:
            found.append(path)
            queue.append(path)
    while queue and len(found) < _MOST_MODULES:
        source = queue.pop()
        for module, level in _imports(project.text(source)):
            paths = _module(project, start, source, module, level)
            if not paths and not level:
                others.add(module.partition(".")[0])
            for path in paths:
                if path not in found:
                    found.append(path)
                    queue.append(path)
    return found, others


def _imports(text: str) -> Iterator[tuple[str, int]]:
    tree = _parsed(text)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, 0
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base, node.level
            for alias in node.names:  # it may be a module too
                yield f"{base}.{alias.name}".strip("."), node.level or -1


def _module(project: Project, start: Start, source: str, module: str, level: int) -> list[str]:
    """The project's files that importing a module reads; none if it is not the project's."""
    guess, level = level < 0, max(level, 0)
    own = PurePosixPath(source).parent
    roots = [PurePosixPath(start.script).parent, PurePosixPath("."), PurePosixPath(start.folder)]
    if level:
        for _ in range(level - 1):
            own = own.parent
        roots = [own]
    for root in dict.fromkeys(roots):
        path = root.joinpath(*module.split(".")) if module else root
        files = [f"{path}.py", str(path / "__init__.py")]
        parents = [
            str(p / "__init__.py") for p in path.parents if p != root and p not in root.parents
        ]
        found = [name for name in files if name in project.tracked]
        folder = not guess and not found and module and (project.folder / path).is_dir()
        if found or folder:
            return [*found, *(name for name in parents if name in project.tracked)]
    return []


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
