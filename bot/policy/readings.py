"""Whether independent readings of one change agree: where they do not, it is not allowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.policy.gitdiff import ABSENT, FileDiff, RawChange, unquote
from bot.policy.violation import Rule, Violation, printable, unreadable


def compare_with_raw(
    files: Sequence[FileDiff], raw: Sequence[RawChange] | None
) -> Iterator[Violation]:
    """Compare the diff with the raw entries of git, where there are any."""
    if raw is None:
        return
    in_diff = sorted((file.path, file.old_mode or "", file.new_mode or "") for file in files)
    in_raw = sorted((entry.path, entry.old_mode, entry.new_mode) for entry in raw)
    if in_diff != in_raw:
        odd = next(iter({row[0] for row in set(in_diff) ^ set(in_raw)}), b"")
        message = "the diff and the raw entries of git name different changes"
        yield Violation(printable(odd), Rule.READERS_DISAGREE, message)


def compare_with_unidiff(diff: bytes, files: Sequence[FileDiff]) -> Iterator[Violation]:
    """Read the diff once more with unidiff, which must see the same files and counts."""
    from unidiff.patch import PatchSet

    try:
        patch = PatchSet(diff.decode("utf-8", "surrogateescape"))
        theirs = [_unidiff_row(file) for file in patch]
    except Exception as error:  # whatever it trips over, the answer is the same
        yield unreadable(f"{type(error).__name__}: {str(error)[:200]}")
        return
    ours = [
        (
            file.path,
            file.old_mode == ABSENT,
            file.new_mode == ABSENT,
            file.binary,
            len(file.added),
            len(file.removed),
        )
        for file in files
    ]
    for our, their in zip(ours, theirs, strict=False):
        if our != their:
            message = "two readers of the diff understand it differently"
            yield Violation(printable(our[0]), Rule.READERS_DISAGREE, message)
    if len(ours) != len(theirs):
        message = f"one reader of the diff finds {len(ours)} files, the other {len(theirs)}"
        yield Violation("", Rule.READERS_DISAGREE, message)


def _unidiff_row(file: object) -> tuple[bytes, bool, bool, bool, int, int]:
    source, target = (
        unquote(str(getattr(file, side)).encode("utf-8", "surrogateescape"))
        for side in ("source_file", "target_file")
    )
    return (
        (source if target == b"/dev/null" else target)[2:],
        source == b"/dev/null",
        target == b"/dev/null",
        bool(getattr(file, "is_binary_file", False)),
        sum(line.is_added for hunk in file for line in hunk),  # type: ignore[attr-defined]
        sum(line.is_removed for hunk in file for line in hunk),  # type: ignore[attr-defined]
    )
