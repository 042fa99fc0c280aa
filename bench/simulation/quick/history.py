"""Questions about commits: `rev-list`, `log`, `merge-base`. None: the real git has to be asked."""

from __future__ import annotations

import re

from bench.simulation.quick.merging import merge_bases
from bench.simulation.quick.store import ID, Store
from bot.git.process import Completed


def line(text: str) -> Completed:
    """A command that printed one line."""
    return Completed(0, text.encode() + b"\n", "")


def rev_list(store: Store, arguments: tuple[str, ...], stdin: bytes) -> Completed | None:
    """Lists of commits, in the forms that the bot asks for."""
    if arguments == ("--parents", "--stdin"):
        reached: dict[str, None] = {}
        for tip in stdin.decode().split():
            reached |= store.ancestors(tip)
        lines = [_with_parents(store, commit) for commit in reached]
    elif arguments[0] == "--reverse":
        tip, without = arguments[1], arguments[2]
        gone = store.ancestors(store.refs[without[1:]]) if without.startswith("^") else {}
        lines = [commit for commit in store.ancestors(tip) if commit not in gone][::-1]
    elif arguments[0] == "--parents" and arguments[1] == "-1":
        lines = [_with_parents(store, arguments[2])]
    elif "--first-parent" in arguments:
        old, _dots, new = arguments[-1].rpartition("..")
        if old not in store.objects:
            return Completed(128, b"", f"fatal: Invalid revision range {arguments[-1]}")
        lines = [_with_parents(store, commit) for commit in store.first_parents(new, old)]
    else:
        return None
    return Completed(0, "".join(f"{each}\n" for each in lines).encode(), "")


def _with_parents(store: Store, commit: str) -> str:
    return " ".join([commit, *store.parents(commit)])


def merge_base(store: Store, arguments: tuple[str, ...]) -> Completed | None:
    """The common ancestor of two commits, or whether one is that of the other."""
    one, other = (store.resolve(name) for name in arguments[-2:])
    if one is None or other is None:
        return Completed(128, b"", "fatal: Not a valid commit name")
    if "--is-ancestor" in arguments:
        return Completed(int(not store.contains(other, one)), b"", "")
    bases = merge_bases(store, one, other)
    return line(bases[0]) if len(bases) == 1 else None


def log(store: Store, arguments: tuple[str, ...]) -> Completed | None:
    """Subjects, authors and messages."""
    form = next((word for word in arguments if word.startswith("--format=")), "")
    if form == "--format=%B":
        return _messages(store, arguments[-2], side_lines="--first-parent" not in arguments)
    commit = next((word for word in arguments if ID.fullmatch(word)), "")
    head, _blank, message = store.objects.get(commit, ("", b""))[1].partition(b"\n\n")
    author = re.search(rb"^author (.*) <(.*)> ", head, re.MULTILINE)
    if author and form == "--format=%s":
        return Completed(0, message.split(b"\n")[0] + b"\n", "")
    if author and form == "--format=%an%x00%ae":
        return Completed(0, author[1] + b"\0" + author[2] + b"\n", "")
    made = re.search(rb"^committer .*> (\d+) ", head, re.MULTILINE)
    if made and form == "--format=%ct":
        return Completed(0, made[1] + b"\n", "")
    return None


def _messages(store: Store, wanted: str, *, side_lines: bool) -> Completed | None:
    old, _dots, new = wanted.rpartition("..")
    tip = store.resolve(new)
    if tip is None or (old and store.resolve(old) is None):
        return None
    commits = list(store.first_parents(tip, store.resolve(old) or "" if old else ""))
    if side_lines and (old or any(len(store.parents(commit)) > 1 for commit in commits)):
        return None  # their order is git's
    texts = [store.objects[commit][1].partition(b"\n\n")[2] for commit in commits]
    # %B ends with a line end; between two of them -z writes a NUL in place of another.
    return Completed(0, b"".join(text.rstrip(b"\n") + b"\n\0" for text in texts), "")
