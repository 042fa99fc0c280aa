"""`bot.git.process.Git` over a store: the commands of git, one method for each."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench.simulation.quick import history, transport
from bench.simulation.quick.batch import Batch
from bench.simulation.quick.history import line
from bench.simulation.quick.merging import Clash, merge_bases, merged
from bench.simulation.quick.store import Entry, Store
from bot.git.process import Completed, Git

_LINES: dict[tuple[Any, ...], Completed] = {}
"""What git answered to questions whose answer depends on nothing but the question."""
_MERGES: dict[tuple[Clash, ...], Completed | dict[bytes, tuple[str, bytes]]] = {}
"""What git made of files that both sides changed: a conflict, or mode and contents."""
_CONSTANT = {"check-ref-format", "var"}
_PLAIN = re.compile(r"refs/heads(/[a-z0-9-]+)+")
_NOTHING = ("000000", "0" * 40)


class QuickGit(Git):
    """Git on a store. `others` are the stores of the repositories that it may fetch from."""

    def __init__(
        self, place: Path, store: Store, others: Mapping[str, Store] | None = None
    ) -> None:
        super().__init__(place)
        self.store = store
        self._others = others or {}
        self._command: tuple[Any, ...] = ()
        self._known: dict[str, Callable[[tuple[str, ...], bytes, Mapping[str, str]], Any]] = {
            "rev-parse": self._rev_parse,
            "show-ref": self._show_ref,
            "for-each-ref": self._for_each_ref,
            "cat-file": self._cat_file,
            "hash-object": self._hash_object,
            "mktree": self._mktree,
            "commit-tree": self._commit_tree,
            "update-ref": self._update_ref,
            "ls-tree": self._ls_tree,
            "rev-list": lambda words, stdin, _: history.rev_list(store, words, stdin),
            "merge-base": lambda words, *_: history.merge_base(store, words),
            "merge-tree": self._merge_tree,
            "diff-tree": self._diff_tree,
            "log": lambda words, *_: history.log(store, words),
            "fetch": self._fetch,
            "push": self._push,
            "ls-remote": self._ls_remote,
            "worktree": lambda *_: Completed(0, b"worktree /\0detached\0\0", ""),
            "check-ref-format": _check_ref_format,
            "maintenance": lambda *_: Completed(0, b"", ""),
        }

    def _once(
        self,
        arguments: Sequence[str | bytes],
        stdin: bytes,
        environment: Mapping[str, str] | None,
    ) -> Completed:
        self._command = (arguments, stdin, environment)
        words = tuple(w if isinstance(w, str) else os.fsdecode(w) for w in arguments)
        while words[0] == "-c":
            words = words[2:]
        if words in _LINES:
            return _LINES[words]
        known = self._known.get(words[0])
        try:
            done = known(words[1:], stdin, environment or {}) if known else None
        except KeyError:  # an object that is not here: what git says to that
            done = None
        if isinstance(done, Completed):
            return done
        answer = self._asked()
        if words[0] in _CONSTANT:
            _LINES[words] = answer
        return answer

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """`cat-file --batch -z` in this process; nothing else is started."""
        assert arguments == ("cat-file", "--batch", "-z"), arguments
        return Batch(self.store)  # type: ignore[return-value]  # all of a process that is used

    def _asked(self) -> Completed:
        """What the real git says to the command of now."""
        self.store.flush()
        return super()._once(*self._command)

    # Refs

    def _rev_parse(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        if arguments == ("--git-common-dir",):
            return line(".git")
        if "--verify" not in arguments:
            return None
        found = self.store.resolve(arguments[-1])
        return line(found) if found else Completed(128, b"", "fatal: no such revision")

    def _show_ref(self, arguments: tuple[str, ...], *_: object) -> Completed:
        found = self.store.refs.get(arguments[-1])
        return line(found) if found else Completed(128, b"", "fatal: no such ref")

    def _for_each_ref(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        options = [word for word in arguments if word.startswith("--")]
        wanted = _pattern(*(word for word in arguments if not word.startswith("--")))
        form = next((o for o in options if o.startswith("--format=")), "").removeprefix("--format=")
        names = sorted(filter(wanted.fullmatch, self.store.refs))
        lines = [self._formatted(form, name) for name in names]
        if "--count=1" in options:
            lines = lines[:1]
        return Completed(0, "".join(f"{each}\n" for each in lines).encode(), "")

    def _formatted(self, form: str, name: str) -> str:
        value = self.store.refs[name]
        kind, data = self.store.objects[value]
        body = ""
        if kind == "commit" and "%(contents:body)" in form:
            message = data.partition(b"\n\n")[2].decode("utf-8", "replace")
            body = message.partition("\n\n")[2]
        for field, text in (
            ("%(refname)", name),
            ("%(refname:lstrip=2)", name.split("/", 2)[2]),
            ("%(objectname)", value),
            ("%(objecttype)", kind),
            ("%(contents:body)", body),
            ("%00", "\0"),
        ):
            form = form.replace(field, text)
        return form

    def _update_ref(self, arguments: tuple[str, ...], stdin: bytes, *_: object) -> Completed | None:
        if "--stdin" not in arguments:
            return None
        changes = []
        for command, name, new, old in _changes(stdin.decode(), ended_by_nul="-z" in arguments):
            if old is not None and (self.store.refs.get(name) or "") != old:
                return Completed(128, b"", f"fatal: cannot lock ref '{name}': it moved")
            if command == "create" and self.store.blocked(name):
                return Completed(128, b"", f"fatal: cannot lock ref '{name}': it is a folder")
            if command != "verify" and (new or name in self.store.refs):
                changes.append((name, new))
        for name, new in changes:
            self.store.set_ref(name, new)
        return Completed(0, b"start: ok\nprepare: ok\ncommit: ok\n", "")

    # Objects

    def _cat_file(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        if arguments[0] != "-e":
            return None
        return Completed(0 if self.store.resolve(arguments[1]) else 1, b"", "")

    def _hash_object(self, _: object, stdin: bytes, *__: object) -> Completed:
        return line(self.store.write("blob", stdin))

    def _mktree(self, _: object, stdin: bytes, *__: object) -> Completed:
        entries = {}
        for each in filter(None, stdin.split(b"\0")):
            facts, _tab, name = each.partition(b"\t")
            mode, _kind, entry = facts.decode().split(" ")
            if entry not in self.store.objects:
                return Completed(128, b"", f"fatal: entry '{entry}' is missing")
            entries[name] = (mode, entry)
        return line(self.store.write_tree(entries))

    def _commit_tree(
        self, arguments: tuple[str, ...], stdin: bytes, environment: Mapping[str, str]
    ) -> Completed:
        parents = dict.fromkeys(
            arguments[i + 1] for i, word in enumerate(arguments) if word == "-p"
        )
        lines = [f"tree {arguments[-1]}", *(f"parent {parent}" for parent in parents)]
        for who in ("author", "committer"):
            name, email, date = (
                environment[f"GIT_{who.upper()}_{part}"] for part in ("NAME", "EMAIL", "DATE")
            )
            lines.append(f"{who} {name} <{email}> {date.removeprefix('@')}")
        head = "\n".join(lines).encode()
        return line(self.store.write("commit", head + b"\n\n" + stdin))

    # Trees

    def _ls_tree(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        if "-r" in arguments:
            return None
        tree = arguments[arguments.index("--full-tree") + 1]
        names = arguments[arguments.index("--") + 1 :] if "--" in arguments else None
        if names and any("/" in name for name in names):
            return None
        found = b""
        for name, (mode, entry) in self.store.entries(tree).items():
            if names is not None and os.fsdecode(name) not in names:
                continue
            kind, data = self.store.objects[entry]
            shown = f"{len(data):>7}" if kind == "blob" else "      -"
            size = f" {shown}" if "-l" in arguments else ""
            found += f"{mode} {kind} {entry}{size}\t".encode() + name + b"\0"
        return Completed(0, found, "")

    def _merge_tree(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        """Files that one side at most has changed are merged here, the others by git."""
        one, other = arguments[-2:]
        bases = merge_bases(self.store, one, other)
        if len(bases) != 1:
            return self._adopted(self._asked())
        certain, clashes = merged(self.store, bases[0], one, other)
        if clashes:
            found = self._merge_clashes(clashes)
            if isinstance(found, Completed):
                return found
            certain |= found
        return Completed(0, self.store.write_tree(certain).encode() + b"\0", "")

    def _merge_clashes(
        self, clashes: tuple[Clash, ...]
    ) -> Completed | dict[bytes, tuple[str, str]]:
        """What git makes of files that both sides changed: asked once for the same contents."""
        if clashes not in _MERGES:
            done = self._adopted(self._asked())
            if done.code != 0:
                _MERGES[clashes] = done
            else:
                entries = self.store.entries(done.stdout.decode().rstrip("\0"))
                _MERGES[clashes] = {
                    each.name: (entries[each.name][0], self.store.objects[entries[each.name][1]][1])
                    for each in clashes
                }
        found = _MERGES[clashes]
        if isinstance(found, Completed):
            return found
        return {
            name: (mode, self.store.write("blob", data)) for name, (mode, data) in found.items()
        }

    def _adopted(self, done: Completed) -> Completed:
        if done.code == 0:
            self.store.adopt(done.stdout.decode().rstrip("\0"))
        return done

    def _diff_tree(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        changed = self.store.changed(*arguments[-2:])
        if changed is None:
            return None
        if "--name-only" in arguments:
            return Completed(0, b"".join(name + b"\0" for name in changed), "")
        if "--raw" in arguments:
            return Completed(0, b"".join(_raw(name, *sides) for name, sides in changed.items()), "")
        # The same entries give the same text, whatever else is in the two trees.
        question = (arguments[:-2], tuple(changed.items()))
        if question not in _LINES:
            _LINES[question] = self._asked()
        return _LINES[question]

    # Other repositories

    def _fetch(self, arguments: tuple[str, ...], *_: object) -> Completed:
        url, *specs = (word for word in arguments if not word.startswith("--"))
        return transport.fetch(self.store, self._others[url], tuple(specs))

    def _push(self, arguments: tuple[str, ...], *_: object) -> Completed:
        options = tuple(word for word in arguments if word.startswith("--"))
        url, *specs = (word for word in arguments if not word.startswith("--"))
        return transport.push(self.store, self._others[url], options, tuple(specs))

    def _ls_remote(self, arguments: tuple[str, ...], *_: object) -> Completed:
        url, *names = (word for word in arguments if not word.startswith("--"))
        return transport.ls_remote(self._others[url], tuple(names))


@cache
def _pattern(*words: str) -> re.Pattern[str]:
    """What the names of refs have to be that these words ask for; all refs without any word."""
    plain = (re.escape(word.rstrip("/")).replace(r"\*", "[^/]*") for word in words or ("refs",))
    return re.compile(rf"(?:{'|'.join(plain)})(?:/.*)?")


def _check_ref_format(arguments: tuple[str, ...], *_: object) -> Completed | None:
    """Names of letters, digits and hyphens are good."""
    return Completed(0, b"", "") if _PLAIN.fullmatch(arguments[-1]) else None


def _raw(name: bytes, old: Entry | None, new: Entry | None) -> bytes:
    """One entry of `diff-tree -z --raw --full-index`."""
    (before, was), (after, now) = old or _NOTHING, new or _NOTHING
    status = "A" if old is None else "D" if new is None else "M"
    return f":{before} {after} {was} {now} {status}\0".encode() + name + b"\0"


def _changes(text: str, *, ended_by_nul: bool) -> Iterator[tuple[str, str, str | None, str | None]]:
    """The commands of `update-ref --stdin`: command, ref, new value, expected value.

    An expected value of "" stands for no ref, None for any.
    """
    if not ended_by_nul:
        for each in filter(None, text.split("\n")):
            command, name, *values = each.split(" ")
            yield command, name, values[0] if command == "update" else None, None
        return
    words = text.split("\0")
    while words and words[0]:
        command, _space, name = words.pop(0).partition(" ")
        if command in {"start", "prepare", "commit"}:
            continue
        new = words.pop(0) if command in {"create", "update"} else None
        old = "" if command == "create" else words.pop(0)
        yield command, name, new, None if command in {"update", "delete"} and not old else old
