"""What a pull request may change: the rule, checked from the diff and from the resulting files.

Invariant 5 of the design. The callers check when something is proposed, again before it is
measured and again before it is merged. Everything fails closed: what cannot be read, or is
read differently by two independent readers, is a violation. Nothing here raises because of
what a diff or a file contains.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.policy.gitdiff import ABSENT, FileDiff, RawChange, UnreadableDiff, read_diff
from bot.policy.readings import compare_with_raw, compare_with_unidiff
from bot.policy.sourcetext import Finding, TextRule, check_source
from bot.policy.violation import Rule, Violation, printable, unreadable

if TYPE_CHECKING:
    from runner.settings import CandidateTable

REGULAR = "100644"
EXECUTABLE = "100755"


@dataclass(frozen=True)
class Rules:
    """What is allowed. `max_changed_lines` counts added plus removed lines; None: no limit."""

    paths: tuple[str, ...]
    entry: str
    max_bytes: int
    max_changed_lines: int | None = None

    @classmethod
    def of(cls, candidate: CandidateTable, max_changed_lines: int | None = None) -> Rules:
        """The rules that `[candidate]` of bot.toml states."""
        return cls(tuple(candidate.paths), candidate.entry, candidate.max_bytes, max_changed_lines)


def check_entries(raw: Sequence[RawChange], rules: Rules) -> tuple[Violation, ...]:
    """Judge the raw entries of a change: which files it touches and how, not what it writes."""
    return tuple(_check_entries(raw, rules))


def check_size(path: str, size: int, rules: Rules) -> Violation | None:
    """Judge the size (bytes) of one of the allowed files."""
    if size <= rules.max_bytes:
        return None
    message = f"{size} bytes, more than {rules.max_bytes}: make it smaller"
    return Violation(path, Rule.TOO_LARGE, message)


def check_diff(
    diff: bytes, rules: Rules, raw: Sequence[RawChange] | None = None
) -> tuple[Violation, ...]:
    """Judge the diff between merge base and head, made with `bot.git.diffs.DIFF_OPTIONS`.

    `raw` are the entries of the same comparison (`bot.git.diffs.RAW_OPTIONS`); when given, they
    are judged too and must tell the same story. Empty means: allowed as far as a diff can
    tell; `check_files` must agree.
    """
    limit = 64 * 1024 + 8 * rules.max_bytes * len(rules.paths)
    if len(diff) > limit:
        message = f"the diff has {len(diff)} bytes, more than {limit}: make a smaller change"
        return (Violation("", Rule.TOO_LARGE, message),)
    try:
        files = read_diff(diff)
    except UnreadableDiff as error:
        return (unreadable(str(error), error.line), *_check_entries(raw or (), rules))
    if not files and not raw:
        return (Violation("", Rule.EMPTY_DIFF, "nothing is changed: edit one of the files"),)
    violations = [
        *_check_entries([_as_entry(file) for file in files], rules),
        *_check_entries(raw or (), rules),
        *compare_with_unidiff(diff, files),
        *compare_with_raw(files, raw),
        *_check_amount(files, rules),
    ]
    for file in files:
        violations += _check_body(file)
    return tuple(dict.fromkeys(violations))  # the two readings repeat each other


def check_files(
    files: Mapping[str, bytes], rules: Rules, before: Mapping[str, bytes] | None = None
) -> tuple[Violation, ...]:
    """Judge the allowed files as they are after the change.

    `before` are the same files on the base branch: line endings and hidden characters that
    are there already are tolerated, new ones are not.
    """
    violations = []
    for path, content in files.items():
        broken = _check_path(path.encode("utf-8", "surrogateescape"), rules)
        if broken is not None:
            violations.append(broken)
        elif (large := check_size(path, len(content), rules)) is not None:
            violations.append(large)
        else:
            found = check_source(path, content, (before or {}).get(path))
            violations += [_of_finding(path, finding) for finding in found]
    if rules.entry not in files:
        message = "the file that is run is missing: it must stay"
        violations.append(Violation(rules.entry, Rule.MISSING_ENTRY, message))
    return tuple(violations)


def _as_entry(file: FileDiff) -> RawChange:
    if file.renamed:
        status = "R"
    elif file.new_mode == ABSENT:
        status = "D"
    else:
        status = "A" if file.old_mode == ABSENT else "M"
    return RawChange(file.old_mode or ABSENT, file.new_mode or ABSENT, status, file.path)


def _check_entries(entries: Iterable[RawChange], rules: Rules) -> Iterator[Violation]:
    for entry in entries:
        path = _check_path(entry.path, rules)
        if path is not None:
            yield path
        kind = _check_kind(entry)
        if kind is not None:
            yield Violation(printable(entry.path), *kind)


def _check_path(path: bytes, rules: Rules) -> Violation | None:
    shown = printable(path)
    allowed = ", ".join(rules.paths)
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        return Violation(shown, Rule.ODD_PATH, "the file's name is not UTF-8")
    if text in rules.paths:
        return None
    parts = text.split("/")
    if not text.isprintable() or "\\" in text or not {"", ".", ".."}.isdisjoint(parts):
        return Violation(shown, Rule.ODD_PATH, "the file's name is not a plain relative path")
    folded = {unicodedata.normalize("NFKC", each).casefold() for each in rules.paths}
    if unicodedata.normalize("NFKC", text).casefold() in folded:
        message = f"differs from an allowed name only in how it is written; allowed: {allowed}"
        return Violation(shown, Rule.PATH_CASE, message)
    return Violation(shown, Rule.PATH_NOT_ALLOWED, f"may not be changed; allowed: {allowed}")


def _check_kind(entry: RawChange) -> tuple[Rule, str] | None:
    modes = {entry.old_mode, entry.new_mode}
    if entry.status in ("R", "C"):
        return Rule.RENAME, "renames or copies a file: an experiment may only edit it"
    if entry.status == "D" or entry.new_mode == ABSENT:
        return Rule.DELETION, "deletes the file: an experiment may only edit it"
    if "120000" in modes:
        return Rule.SYMLINK, "is a symbolic link: it must be a regular file"
    if "160000" in modes:
        return Rule.SUBMODULE, "is a submodule: it must be a regular file"
    return _check_modes(entry)


def _check_modes(entry: RawChange) -> tuple[Rule, str] | None:
    created = entry.old_mode == ABSENT
    if not created and entry.old_mode != entry.new_mode:
        message = f"changes the mode from {entry.old_mode} to {entry.new_mode}: keep the mode"
        return Rule.MODE_CHANGE, message
    if entry.status != ("A" if created else "M"):
        return Rule.NOT_REGULAR, f"is not a plain edit (git calls it {entry.status!r})"
    # A script that is executable already may stay so.
    if entry.new_mode != REGULAR and (created or entry.new_mode != EXECUTABLE):
        return Rule.NOT_REGULAR, f"has the mode {entry.new_mode}: it must be {REGULAR}"
    return None


def _check_body(file: FileDiff) -> Iterator[Violation]:
    shown = printable(file.path)
    if file.binary:
        yield Violation(shown, Rule.BINARY, "is a binary change: the file must be plain text")
    elsewhere = (*file.removed, *file.context)
    carriage_return = next((n for n, text in file.added if text.endswith(b"\r")), None)
    if carriage_return is not None and not any(text.endswith(b"\r") for text in elsewhere):
        message = "introduces CRLF line endings: keep those of the file"
        yield Violation(shown, Rule.LINE_ENDINGS, message, carriage_return)


def _check_amount(files: Sequence[FileDiff], rules: Rules) -> Iterator[Violation]:
    changed = sum(len(file.added) + len(file.removed) for file in files)
    if rules.max_changed_lines is not None and changed > rules.max_changed_lines:
        message = f"{changed} changed lines, more than {rules.max_changed_lines}: change less"
        yield Violation("", Rule.TOO_MANY_LINES, message)


_RULE_OF = {
    TextRule.NOT_UTF8: Rule.NOT_UTF8,
    TextRule.ENCODING: Rule.ENCODING,
    TextRule.HIDDEN_CHARACTER: Rule.HIDDEN_CHARACTER,
    TextRule.LINE_ENDINGS: Rule.LINE_ENDINGS,
    TextRule.ODD_NAME: Rule.ODD_NAME,
    TextRule.DOES_NOT_PARSE: Rule.DOES_NOT_PARSE,
}


def _of_finding(path: str, finding: Finding) -> Violation:
    return Violation(path, _RULE_OF[finding.rule], finding.message, finding.line)
