"""Git's plumbing answered in this process, on the same files, some thirty times as fast.

A history takes thousands of git commands. Those that the bot uses most are answered here from
the repository's own loose objects and refs; every other one is handed to the real git, which
finds all of it, because everything is written through. That both give the same is tested: the
same seed ends in the same commit with this and with git alone.
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
import subprocess
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.git.process import Completed, Git
from bot.history import ledger

_ID = re.compile(r"[0-9a-f]{40}")
_LINES: dict[tuple[Any, ...], Completed] = {}
"""What git answered to questions whose answer depends on nothing but the question."""
_MERGES: dict[tuple[Any, ...], Completed | dict[bytes, tuple[str, bytes]]] = {}
"""What git made of files that both sides changed: a conflict, or mode and contents."""


class Store:
    """Loose objects and refs of one repository that nobody else writes to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".git"
        self.objects: dict[str, tuple[str, bytes]] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self.refs = {
            str(path.relative_to(self.folder)): path.read_text().strip()
            for path in (self.folder / "refs").rglob("*")
            if path.is_file()
        }
        for path in (self.folder / "objects").glob("??/*"):
            header, _, data = zlib.decompress(path.read_bytes()).partition(b"\0")
            self.objects[path.parent.name + path.name] = (header.split()[0].decode(), data)

    def write(self, kind: str, data: bytes) -> str:
        """Store an object; its id."""
        whole = b"%s %d\0%s" % (kind.encode(), len(data), data)
        name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        if name not in self.objects:
            self.objects[name] = (kind, data)
            path = self.folder / "objects" / name[:2] / name[2:]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(whole, 0))
        return name

    def adopt(self, name: str) -> None:
        """Take in an object that the real git has written, and all below it."""
        path = self.folder / "objects" / name[:2] / name[2:]
        header, _, data = zlib.decompress(path.read_bytes()).partition(b"\0")
        self.objects[name] = (header.split()[0].decode(), data)
        if self.objects[name][0] == "tree":
            for _, below in self.entries(name).values():
                if below not in self.objects:
                    self.adopt(below)

    def set_ref(self, name: str, value: str | None) -> None:
        """Move, make or remove a ref."""
        path = self.folder / name
        if value is None:
            del self.refs[name]
            path.unlink()
            return
        self.refs[name] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")

    def resolve(self, revision: str) -> str | None:
        """The object that a revision of the kinds that the bot uses means."""
        base, mark, step = revision.partition("^")
        if _ID.fullmatch(base):
            found: str | None = base if base in self.objects else None
        elif base == "HEAD":
            found = (self.folder / "HEAD").read_text().strip()
        else:
            found = self.refs.get(base) or self.refs.get(f"refs/heads/{base}")
        if not found or not mark:
            return found
        if step.startswith("1"):
            parents = self.parents(found)
            return self.resolve(parents[0] + step[1:]) if parents else None
        kind = self.objects[found][0]
        if step == "{tree}":
            return self.tree(found)
        return found if kind == "commit" else None

    def tree(self, name: str) -> str:
        """The tree of a commit, or the tree itself."""
        kind, data = self.objects[name]
        return data[5:45].decode() if kind == "commit" else name

    def parents(self, commit: str) -> tuple[str, ...]:
        """The parents of a commit."""
        if commit not in self._parents:
            head = self.objects[commit][1].partition(b"\n\n")[0].decode("utf-8", "replace")
            lines = head.split("\n")
            self._parents[commit] = tuple(x[7:] for x in lines if x.startswith("parent "))
        return self._parents[commit]

    def ancestors(self, commit: str) -> dict[str, None]:
        """Itself and all before it, nearest first."""
        found: dict[str, None] = {}
        waiting = deque([commit])
        while waiting:
            now = waiting.popleft()
            if now not in found:
                found[now] = None
                waiting += self.parents(now)
        return found

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Whether a commit is among the ancestors of another, or is it."""
        seen: set[str] = set()
        waiting = deque([descendant])
        while waiting:
            now = waiting.popleft()
            if now == ancestor:
                return True
            if now not in seen:
                seen.add(now)
                waiting += self.parents(now)
        return False

    def entries(self, name: str) -> dict[bytes, tuple[str, str]]:
        """One level of a tree: name to (mode, id)."""
        data = self.objects[self.tree(name)][1]
        found, at = {}, 0
        while at < len(data):
            space, end = data.index(b" ", at), data.index(b"\0", at)
            mode = data[at:space].decode().rjust(6, "0")
            found[data[space + 1 : end]] = (mode, data[end + 1 : end + 21].hex())
            at = end + 21
        return found

    def write_tree(self, entries: Mapping[bytes, tuple[str, str]]) -> str:
        """Store one level of a tree."""

        def order(item: tuple[bytes, tuple[str, str]]) -> bytes:
            return item[0] + (b"/" if item[1][0] == "040000" else b"")

        data = b"".join(
            b"%s %s\0%s" % (mode.lstrip("0").encode(), name, bytes.fromhex(entry))
            for name, (mode, entry) in sorted(entries.items(), key=order)
        )
        return self.write("tree", data)

    def changed(self, old: str, new: str) -> dict[bytes, tuple[Any, Any]] | None:
        """What differs in the top level of two trees; None when a folder does."""
        before, after = self.entries(old), self.entries(new)
        found = {
            name: (before.get(name), after.get(name))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        }
        folders = any(side and side[0] == "040000" for pair in found.values() for side in pair)
        return None if folders else found


class QuickGit(Git):
    """`bot.git.process.Git` over a `Store`."""

    def __init__(self, place: Path, store: Store) -> None:
        super().__init__(place)
        self.store = store
        self._command: tuple[Any, ...] = ()
        self._known: dict[str, Callable[[tuple[str, ...], bytes, Mapping[str, str]], Any]] = {
            "rev-parse": self._rev_parse,
            "show-ref": self._show_ref,
            "for-each-ref": self._for_each_ref,
            "hash-object": self._hash_object,
            "mktree": self._mktree,
            "commit-tree": self._commit_tree,
            "update-ref": self._update_ref,
            "ls-tree": self._ls_tree,
            "rev-list": self._rev_list,
            "merge-base": self._merge_base,
            "merge-tree": self._merge_tree,
            "diff-tree": self._diff_tree,
            "log": self._log,
            "worktree": lambda *_: Completed(0, b"worktree /\0detached\0\0", ""),
            "maintenance": lambda *_: Completed(0, b"", ""),
            "check-ref-format": self._constant,
            "var": self._constant,
        }

    def _once(
        self,
        arguments: Sequence[str | bytes],
        stdin: bytes,
        environment: Mapping[str, str] | None,
    ) -> Completed:
        self._command = (arguments, stdin, environment)
        words = [os.fsdecode(word) for word in arguments]
        while words[0] == "-c":
            words = words[2:]
        known = self._known.get(words[0])
        done = known(tuple(words[1:]), stdin, environment or {}) if known else None
        if isinstance(done, Completed):
            return done
        answer = self._asked()
        if words[0] in {"check-ref-format", "var"}:
            _LINES[tuple(words)] = answer
        return answer

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """`cat-file --batch -z` in this process; nothing else is started."""
        assert arguments == ("cat-file", "--batch", "-z"), arguments
        return _Batch(self.store)  # type: ignore[return-value]

    @staticmethod
    def _line(text: str) -> Completed:
        return Completed(0, text.encode() + b"\n", "")

    def _constant(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        for command in ("check-ref-format", "var"):
            if (command, *arguments) in _LINES:
                return _LINES[command, *arguments]
        return None

    def _rev_parse(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        if arguments == ("--git-common-dir",):
            return self._line(".git")
        if "--verify" not in arguments:
            return None
        found = self.store.resolve(arguments[-1])
        return self._line(found) if found else Completed(128, b"", "fatal: no such revision")

    def _show_ref(self, arguments: tuple[str, ...], *_: object) -> Completed:
        found = self.store.refs.get(arguments[-1])
        return self._line(found) if found else Completed(128, b"", "fatal: no such ref")

    def _for_each_ref(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        options = [word for word in arguments if word.startswith("--")]
        patterns = [_pattern(word) for word in arguments if not word.startswith("--")]
        form = next((o for o in options if o.startswith("--format=")), "").removeprefix("--format=")
        patterns = patterns or [re.compile(".*")]
        names = [n for n in sorted(self.store.refs) if any(p.fullmatch(n) for p in patterns)]
        lines = [self._formatted(form, name) for name in names]
        if "--count=1" in options:
            lines = lines[:1]
        return Completed(0, "".join(f"{line}\n" for line in lines).encode(), "")

    def _formatted(self, form: str, name: str) -> str:
        value = self.store.refs[name]
        kind, data = self.store.objects[value]
        body = ""
        if kind == "commit":
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

    def _hash_object(self, _: object, stdin: bytes, *__: object) -> Completed:
        return self._line(self.store.write("blob", stdin))

    def _mktree(self, _: object, stdin: bytes, *__: object) -> Completed:
        entries = {}
        for line in filter(None, stdin.split(b"\0")):
            facts, _tab, name = line.partition(b"\t")
            mode, _kind, entry = facts.decode().split(" ")
            if entry not in self.store.objects:
                return Completed(128, b"", f"fatal: entry '{entry}' is missing")
            entries[name] = (mode, entry)
        return self._line(self.store.write_tree(entries))

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
        return self._line(self.store.write("commit", head + b"\n\n" + stdin))

    def _update_ref(self, _: object, stdin: bytes, *__: object) -> Completed:
        words = stdin.decode().split("\0")
        changes: list[tuple[str, str | None]] = []
        while words and words[0]:
            command, _space, name = words.pop(0).partition(" ")
            if command in {"start", "prepare", "commit"}:
                continue
            new = words.pop(0) if command in {"create", "update"} else None
            old = "" if command == "create" else words.pop(0)
            if (self.store.refs.get(name) or "") != old:
                return Completed(128, b"", f"fatal: cannot lock ref '{name}': it moved")
            folder = name + "/"
            blocked = any(other.startswith(folder) for other in self.store.refs)
            if command == "create" and blocked:
                return Completed(128, b"", f"fatal: cannot lock ref '{name}': it is a folder")
            if command != "verify":
                changes.append((name, new))
        for name, new in changes:
            self.store.set_ref(name, new)
        return Completed(0, b"start: ok\nprepare: ok\ncommit: ok\n", "")

    def _ls_tree(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        if "-r" in arguments:
            return None
        tree = arguments[arguments.index("--full-tree") + 1]
        names = arguments[arguments.index("--") + 1 :] if "--" in arguments else None
        found = b""
        for name, (mode, entry) in self.store.entries(tree).items():
            if names is not None and os.fsdecode(name) not in names:
                continue
            kind, data = self.store.objects[entry]
            size = f" {len(data):>7}" if "-l" in arguments else ""
            found += f"{mode} {kind} {entry}{size}\t".encode() + name + b"\0"
        return Completed(0, found, "")

    def _rev_list(self, arguments: tuple[str, ...], stdin: bytes, *_: object) -> Completed | None:
        store = self.store
        if arguments == ("--parents", "--stdin"):
            reached: dict[str, None] = {}
            for tip in stdin.decode().split():
                reached |= store.ancestors(tip)
            lines = [" ".join([commit, *store.parents(commit)]) for commit in reached]
        elif arguments[0] == "--reverse":
            tip, without = arguments[1], arguments[2]
            gone = store.ancestors(store.refs[without[1:]]) if without.startswith("^") else {}
            lines = [commit for commit in store.ancestors(tip) if commit not in gone][::-1]
        elif "--first-parent" in arguments:
            old, _dots, new = arguments[-1].rpartition("..")
            if old not in store.objects:
                return Completed(128, b"", f"fatal: Invalid revision range {arguments[-1]}")
            line = first_parents(store, new, old)
            lines = [" ".join([commit, *store.parents(commit)]) for commit in line]
        else:
            return None
        return Completed(0, "".join(f"{line}\n" for line in lines).encode(), "")

    def _merge_base(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        one, other = arguments[-2:]
        if "--is-ancestor" in arguments:
            return Completed(int(not self.store.contains(other, one)), b"", "")
        bases = self._bases(one, other)
        return self._line(bases[0]) if len(bases) == 1 else None

    def _bases(self, one: str, other: str) -> list[str]:
        """The best common ancestors."""
        mine = self.store.ancestors(one)
        found: list[str] = []
        covered: set[str] = set()
        waiting = deque([other])
        while waiting:
            now = waiting.popleft()
            if now in covered:
                continue
            if now in mine:
                found.append(now)
                covered |= self.store.ancestors(now).keys()
            else:
                covered.add(now)
                waiting += self.store.parents(now)
        return [
            one
            for one in found
            if not any(two != one and self.store.contains(two, one) for two in found)
        ]

    def _merge_tree(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        """Files that one side at most has changed are merged here, the others by git."""
        one, other = arguments[-2:]
        bases = self._bases(one, other)
        if len(bases) != 1:
            return self._adopted(self._asked())
        base, ours, theirs = (self.store.entries(name) for name in (bases[0], one, other))
        merged, clashes = {}, []
        for name in sorted(ours.keys() | theirs.keys() | base.keys()):
            was, here, there = base.get(name), ours.get(name), theirs.get(name)
            if here != there and was not in {here, there}:
                clashes.append((name, was, here, there))
                continue
            entry = there if here == was else here
            if entry:
                merged[name] = entry
        if clashes:
            found = self._merge_clashes(tuple(clashes))
            if isinstance(found, Completed):
                return found
            merged |= found
        return Completed(0, self.store.write_tree(merged).encode() + b"\0", "")

    def _merge_clashes(
        self, clashes: tuple[tuple[Any, ...], ...]
    ) -> Completed | dict[bytes, tuple[str, str]]:
        """What git makes of files that both sides changed: asked once for the same contents."""
        if clashes not in _MERGES:
            done = self._adopted(self._asked())
            if done.code != 0:
                _MERGES[clashes] = done
            else:
                entries = self.store.entries(done.stdout.decode().rstrip("\0"))
                _MERGES[clashes] = {
                    name: (entries[name][0], self.store.objects[entries[name][1]][1])
                    for name, *_ in clashes
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

    def _asked(self) -> Completed:
        """What the real git says to the command of now."""
        return super()._once(*self._command)

    def _diff_tree(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        changed = self.store.changed(*arguments[-2:])
        if changed is None:
            return None
        if "--name-only" in arguments:
            return Completed(0, b"".join(name + b"\0" for name in changed), "")
        # The same entries give the same text, whatever else is in the two trees.
        question = (arguments[:-2], tuple(changed.items()))
        if question not in _LINES:
            _LINES[question] = self._asked()
        return _LINES[question]

    def _log(self, arguments: tuple[str, ...], *_: object) -> Completed | None:
        form = next((word for word in arguments if word.startswith("--format=")), "")
        if "--first-parent" in arguments and form == "--format=%B":
            return self._messages(arguments[-2])
        commit = next((word for word in arguments if _ID.fullmatch(word)), "")
        head, _blank, message = self.store.objects.get(commit, ("", b""))[1].partition(b"\n\n")
        author = re.search(rb"^author (.*) <(.*)> ", head, re.MULTILINE)
        if author and form == "--format=%s":
            return Completed(0, message.split(b"\n")[0] + b"\n", "")
        if author and form == "--format=%an%x00%ae":
            return Completed(0, author[1] + b"\0" + author[2] + b"\n", "")
        return None

    def _messages(self, wanted: str) -> Completed:
        old, _dots, new = wanted.rpartition("..")
        gone = self.store.ancestors(old) if old else {}
        commit, texts = self.store.resolve(new), []
        while commit and commit not in gone:
            texts.append(self.store.objects[commit][1].partition(b"\n\n")[2])
            commit = next(iter(self.store.parents(commit)), None)
        # %B ends with a line end; between two of them -z writes a NUL in place of another.
        return Completed(0, b"".join(text.rstrip(b"\n") + b"\n\0" for text in texts), "")


def first_parents(store: Store, tip: str, old: str = "") -> Iterator[str]:
    """The first-parent line from `tip` back to what `old` contains."""
    gone = store.ancestors(old) if old else {}
    commit: str | None = tip
    while commit and commit not in gone:
        yield commit
        commit = next(iter(store.parents(commit)), None)


@contextmanager
def quick_ledger(store: Store) -> Iterator[None]:
    """`bot.history.ledger.commits`, which starts a git of its own, from the same store."""
    usual = ledger.commits

    def commits(
        repository: Path, branch: str, *patterns: str, where: str | None = None
    ) -> Iterator[str]:
        del repository
        wanted = re.compile("|".join(patterns).encode(), re.MULTILINE)
        old, _dots, tip = (where or store.refs[f"refs/heads/{branch}"]).rpartition("..")
        for commit in first_parents(store, tip, old):
            head, _blank, message = store.objects[commit][1].partition(b"\n\n")
            if wanted.search(message):
                when = re.findall(rb"^committer .* (\d+) [+-]\d+$", head, re.MULTILINE)[0]
                yield f"{commit} {when.decode()}\n{message.decode('utf-8', 'replace')}"

    ledger.commits = commits
    try:
        yield
    finally:
        ledger.commits = usual


def _pattern(word: str) -> re.Pattern[str]:
    plain = re.escape(word.rstrip("/")).replace(r"\*", "[^/]*")
    return re.compile(rf"{plain}(/.*)?")


class _Batch:
    """A `git cat-file --batch -z` that is no process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._buffer = b""
        self.stdin = self.stdout = self.stderr = self

    def write(self, name: bytes) -> None:
        revision, colon, path = name.rstrip(b"\0").decode("utf-8", "surrogateescape").partition(":")
        found = self.store.resolve(revision)
        for part in path.split("/") if colon and found else ():
            entries = self.store.entries(found or "")
            found = entries.get(os.fsencode(part), ("", None))[1]
            if found is None:
                break
        if found is None:
            self._answers.put(name.rstrip(b"\0") + b" missing\n")
            return
        kind, data = self.store.objects[found]
        self._answers.put(f"{found} {kind} {len(data)}\n".encode() + data + b"\n")

    def read(self, size: int = -1) -> bytes:
        while len(self._buffer) < size:
            self._buffer += self._answers.get()
        cut = len(self._buffer) if size < 0 else size
        answer, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return answer

    def readline(self) -> bytes:
        if not self._buffer:
            self._buffer = self._answers.get()
        return self.read(self._buffer.index(b"\n") + 1)

    def close(self) -> None:
        """Nothing is open."""

    def kill(self) -> None:
        """Nothing runs."""

    def wait(self) -> int:
        """It has ended well."""
        return 0
