"""Attacks by the change itself: a real repository with real commits that no rule may let pass.

Two things are asked about each: the bot's rules for changes, and what the runner would lay out
and run. The rules are the bot's, and the runner does not import the bot; so they are asked as a
program, which calls the same function as the bot does before it measures and before it merges.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.candidate import read_tree
from runner.errors import RequestError
from runner.redteam.case import Family, honest_source
from runner.redteam.judge import Finding
from runner.settings import CandidateTable

_PROJECT = Path(__file__).parents[2]
_AUTHOR = "A U Thor <author@example.com> 1700000000 +0000"
_PATIENCE_S = 120
_ENTRY = "train.py"

Change = tuple[str, bytes, bytes]  # mode, quoted path, content; "D" as the mode deletes


@dataclass(frozen=True)
class DiffCase:
    """An attack by a change. `changes` are its files, on top of an honest base."""

    name: str
    tries: str
    changes: tuple[Change, ...]

    family = Family.DIFF


def _edited(more: bytes = b"# better\n") -> bytes:
    return honest_source() + more


def cases() -> tuple[DiffCase, ...]:
    """All of them."""
    train = _ENTRY.encode()
    edit = ("100644", train, _edited())
    return (
        DiffCase(
            "symbolic_link",
            "Replaces train.py by a link to the targets (git's oldest trick, CVE-2021-21300).",
            (("120000", train, b"../../private/validation/targets.json"),),
        ),
        DiffCase("mode", "Makes train.py executable.", (("100755", train, _edited()),)),
        DiffCase(
            "submodule",
            "Replaces train.py by a submodule, whose address git would fetch (CVE-2018-17456).",
            (("160000", train, b"0123456789" * 4),),
        ),
        DiffCase(
            "rename",
            "Renames train.py and puts something else in its place of the list of files.",
            (("D", train, b""), ("100644", b"train2.py", honest_source())),
        ),
        DiffCase("deletion", "Deletes train.py.", (("D", train, b""),)),
        DiffCase(
            "scorer",
            "Changes the scorer along with train.py (what most benchmarks were broken by).",
            (edit, ("100644", b"runner/task/score.py", b"def score(*_): return 1.0\n")),
        ),
        DiffCase(
            "workflow",
            "Adds a workflow that runs with the repository's token.",
            (edit, ("100644", b".github/workflows/x.yml", b"on: pull_request_target\n")),
        ),
        DiffCase(
            "start_up_hook",
            "Adds modules that Python would import first from the folder of train.py.",
            (edit, ("100644", b"numpy.py", b"x = 1\n"), ("100644", b"sitecustomize.py", b"\n")),
        ),
        DiffCase(
            "not_utf8_path",
            "Adds a file whose name is no UTF-8, which readers of diffs quote or lose.",
            (edit, ("100644", rb'"train\377.py"', b"x = 1\n")),
        ),
        DiffCase(
            "newline_in_path",
            "Adds a file whose name looks like the header of another one in the diff.",
            (edit, ("100644", rb'"x\ndiff --git a/train.py b/train.py\n"', b"x = 1\n")),
        ),
        DiffCase(
            "same_name_in_capitals",
            "Adds Train.py, which is train.py on file systems that fold case.",
            (edit, ("100644", b"Train.py", b"x = 1\n")),
        ),
        DiffCase(
            "line_ends",
            "Changes every line end to CRLF, so that the diff hides what else is changed.",
            (("100644", train, _edited().replace(b"\n", b"\r\n")),),
        ),
        DiffCase(
            "hidden_diff",
            "Declares train.py binary in .gitattributes, so that its diff is not shown.",
            (edit, ("100644", b".gitattributes", b"train.py -diff\n")),
        ),
        DiffCase(
            "bidirectional",
            "Hides code from reviewers by bidirectional characters (CVE-2021-42574).",
            (("100644", train, _edited("access = 'user\u202e \u2066# admin'\n".encode())),),
        ),
        DiffCase(
            "not_utf8_text",
            "Declares another encoding, in which the text reads differently for Python.",
            (("100644", train, b"# coding: utf-7\n" + _edited(b"+AGE-\n")),),
        ),
        DiffCase(
            "fifty_megabytes",
            "Makes train.py 50 MB large, to stop whoever reads, shows or stores it.",
            (("100644", train, b"#" * 79 + b"\n" + b"x = 1\n" * (50_000_000 // 6)),),
        ),
    )


def run_diffs(
    chosen: Sequence[DiffCase], folder: Path, on_finding: Callable[[Finding], None]
) -> list[Finding]:
    """Make the repository in the new folder `folder`, and try every change."""
    if not chosen:
        return []
    folder.mkdir()
    heads = _commit(folder, chosen)
    broken = _rules_broken(folder, list(heads.values()))
    findings = []
    for case in chosen:
        findings.append(_judge(case, folder, heads[case.name], broken))
        on_finding(findings[-1])
    return findings


def _judge(case: DiffCase, folder: Path, head: str, broken: dict[str, list[str]] | None) -> Finding:
    rules = (broken or {}).get(head, [])
    table = CandidateTable()
    try:
        files = read_tree(folder, head, table)
    except RequestError as error:
        runner = f"; the runner alone: {error}".replace(head[:12], "the change")
    else:
        strange = set(files) - set(table.paths)
        if strange:
            return Finding(case.name, case.family, False, f"the runner takes {sorted(strange)}")
        runner = ""
    if broken is None:
        return Finding(case.name, case.family, False, "the bot's rules could not be asked")
    if not rules:
        return Finding(case.name, case.family, False, "no rule is broken by it")
    return Finding(
        case.name, case.family, True, f"rules: {', '.join(dict.fromkeys(rules))}{runner}"
    )


def _rules_broken(folder: Path, heads: list[str]) -> dict[str, list[str]] | None:
    """For each head, the rules that it breaks; None where the bot is not installed beside us."""
    command = [sys.executable, "-m", "bot.policy.checkdiff", str(folder), "main", *heads]
    done = subprocess.run(
        command, cwd=_PROJECT, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=_PATIENCE_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        return None
    answer: dict[str, list[str]] = json.loads(done.stdout)
    return answer


def _commit(folder: Path, chosen: Sequence[DiffCase]) -> dict[str, str]:
    """One commit for each case, on top of an honest base; their ids by the case's name."""
    stream = [
        _a_commit("main", None, (
            ("100644", _ENTRY.encode(), honest_source()), ("100644", b"bot.toml", b""),
        ))
    ]  # fmt: skip
    stream += [_a_commit(case.name, "main", case.changes) for case in chosen]
    _git(folder, "init", "--quiet", "--initial-branch=main", ".")
    _git(folder, "fast-import", "--quiet", "--force", given=b"".join(stream))
    (folder / "bot.toml").touch()
    return {
        case.name: _git(folder, "rev-parse", f"refs/heads/{case.name}").decode().strip()
        for case in chosen
    }


def _a_commit(branch: str, parent: str | None, changes: Sequence[Change]) -> bytes:
    """A commit in the language of git-fast-import(1)."""
    head = f"commit refs/heads/{branch}\nauthor {_AUTHOR}\ncommitter {_AUTHOR}\ndata 4\ntext\n"
    if parent is not None:
        head += f"from refs/heads/{parent}\n"
    lines = [head.encode()]
    for mode, path, content in changes:
        if mode == "D":
            lines.append(b"D " + path + b"\n")
        elif mode == "160000":
            lines.append(b"M 160000 " + content + b" " + path + b"\n")
        else:
            size = str(len(content)).encode()
            lines.append(
                b"M " + mode.encode() + b" inline " + path + b"\ndata " + size + b"\n" + content
            )
            lines.append(b"\n")
    return b"".join([*lines, b"\n"])


def _git(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "core.compression=1", "-c", "core.protectNTFS=false",
         "-c", "core.autocrlf=false", *arguments],
        input=given, capture_output=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RequestError(
            f"git {arguments[0]} failed: {done.stderr.decode(errors='replace')[:300]}. "
            "The red team needs git 2.31 or newer."
        )
    return done.stdout
