"""Checks of a project that is scored by a scorer of its own: what could let a score be forged."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from bot.doctor.finding import Finding, note, ok, problem
from bot.git import Repository
from bot.settings import Settings

_UNPICKLING = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve"}


def scoring(found: Repository, read: Settings) -> Iterator[Finding]:
    """Whether only the scorer sees the answers, and whether it may run what it reads."""
    if read.task.kind != "predictions":
        return
    base = f"refs/heads/{read.repository.base}"
    for key, named in read.task.hidden.items():
        if not (found.path / Path(named).expanduser()).exists():
            fix = f"Put it there, or correct task.{key} in bot.toml."
            # On GitHub another machine measures.
            lacks = problem if read.forge.kind == "git" else note
            yield lacks(f"task.{key}", f"{named} is not on this machine", fix)
    for key in ("targets", "sealed_targets"):
        if key in read.task.hidden:
            yield from _answers(found, read, base, key)
    source = found.read_file(base, read.task.scorer)
    if source is None:
        fix = f"Commit {read.task.scorer} to {read.repository.base}."
        yield problem("task.scorer", f"{read.task.scorer} is not on {read.repository.base}", fix)
    elif how := unpickles(source):
        fix = (
            "A pickle runs what is in it, so a candidate could print its own score there. Read "
            "text, JSON or plain arrays (docs/import.md, Scored predictions)."
        )
        yield note("task.scorer", f"{read.task.scorer} seems to unpickle: {how}", fix)
    else:
        yield ok("task.scorer", read.task.scorer)


def _answers(found: Repository, read: Settings, base: str, key: str) -> Iterator[Finding]:
    """Whether the answers can be read in the repository."""
    named = read.task.hidden[key]
    place = Path(os.path.normpath(found.path / Path(named).expanduser()))
    inside = place.is_relative_to(found.path)
    if inside and found.files_below(base, [place.relative_to(found.path).as_posix()]):
        fix = (
            "Whoever reads the repository could copy them into a candidate. git rm --cached "
            f"{named}, add it to .gitignore, and draw other answers: these are known."
        )
        yield note(f"task.{key}", f"the answers are committed on {read.repository.base}", fix)
    elif place.exists():
        yield ok(f"task.{key}", "not in git")


def unpickles(source: bytes) -> str:
    """How a Python source may unpickle what it reads; empty where nothing looks like it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return next(filter(None, map(_way, ast.walk(tree))), "")


def _way(node: ast.AST) -> str:
    match node:
        case ast.Import(names=names):
            modules = {alias.name.partition(".")[0] for alias in names}
            return ", ".join(sorted(f"import {name}" for name in modules & _UNPICKLING))
        case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in _UNPICKLING:
            return f"from {module} import"
        case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
            return "allow_pickle=True"
        case ast.Attribute(attr="read_pickle"):
            return "read_pickle"
        case ast.Attribute(value=ast.Name(id="torch"), attr="load"):
            return "torch.load"
        case _:
            return ""
