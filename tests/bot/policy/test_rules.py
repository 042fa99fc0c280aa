from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.git.diffs import DIFF_OPTIONS, RAW_OPTIONS
from bot.policy.gitdiff import (
    RawChange,
    UnreadableDiff,
    read_diff,
    read_raw,
    unquote,
)
from bot.policy.rules import Rules, check_diff, check_files
from bot.policy.violation import Rule, Violation
from runner.settings import CandidateTable

RULES = Rules.of(CandidateTable())
BASE = b"import math\n\nLEARNING_RATE = 1e-3\nSTEPS = 10\n\n\ndef f(x):\n    return x\n"


class Repository:
    """A real repository in which a base commit is compared with a changed one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q", "-b", "main")
        self.write("train.py", BASE)
        self.write("README.md", b"hello\n")
        self.base = self.commit()

    def git(self, *arguments: str, stdin: bytes | None = None, ok: bool = True) -> bytes:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            **{
                f"GIT_{who}_{what}": "a@b"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, input=stdin, capture_output=True
        )
        assert not ok or done.returncode == 0, done.stderr
        return done.stdout if done.returncode == 0 else b"FAILED"

    def write(self, name: str | bytes, content: bytes) -> None:
        path = self.folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD").decode().strip()

    def compare(self) -> tuple[bytes, tuple[RawChange, ...]]:
        head = self.commit()
        diff = self.git("diff-tree", *DIFF_OPTIONS, self.base, head)
        raw = self.git("diff-tree", *RAW_OPTIONS, self.base, head)
        return diff, read_raw(raw)

    def judge(self, rules: Rules = RULES) -> tuple[Violation, ...]:
        diff, raw = self.compare()
        with_raw = check_diff(diff, rules, raw)
        without = check_diff(diff, rules)
        assert {v.rule for v in without} <= {v.rule for v in with_raw}
        assert {v.rule for v in with_raw} - {v.rule for v in without} <= {Rule.READERS_DISAGREE}
        return with_raw


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def rules_of(violations: tuple[Violation, ...]) -> set[Rule]:
    return {violation.rule for violation in violations}


# What is allowed


def test_an_edit_of_the_listed_file_is_allowed(repository: Repository) -> None:
    repository.write("train.py", BASE.replace(b"1e-3", b"3e-3") + b"# end")
    assert repository.judge() == ()


def test_a_rewrite_of_the_listed_file_is_allowed(repository: Repository) -> None:
    repository.write(
        "train.py", b"--- a/x\n+++ b/x\ndiff --git a/y b/y\n-- sql\n++ i\n@@ -1 +1 @@\n"
    )
    assert repository.judge() == ()


def test_lines_that_look_like_headers_may_be_removed_and_added(repository: Repository) -> None:
    repository.write(
        "train.py", b"-- a/x\n++ b/x\n\n\n\ndiff --git a/y b/y\n\\ No newline at end of file\n"
    )
    repository.base = repository.commit()
    repository.write("train.py", b"++ b/x\n-- a/x\n\n\n\nold mode 100644\nBinary files differ\n")
    assert repository.judge() == ()


def test_a_listed_file_may_be_created(repository: Repository) -> None:
    rules = Rules(("train.py", "lib/model.py"), "train.py", 1000)
    repository.write("lib/model.py", b"x = 1\n")
    assert repository.judge(rules) == ()
    repository.write("lib/model.py", b"")
    assert repository.judge(rules) == ()


def test_a_listed_name_may_have_spaces_and_letters_of_any_script(repository: Repository) -> None:
    name = "my modèle/train b/ it's.py"
    rules = Rules(("train.py", name), "train.py", 1000)
    repository.write(name, b"x = 1\n")
    assert rules_of(repository.judge(rules)) <= {Rule.READERS_DISAGREE, Rule.UNREADABLE_DIFF}
    plain = Rules(("train.py", "modèle.py", "my train.py"), "train.py", 1000)
    repository.git("rm", "-rfq", "my modèle")
    repository.write("modèle.py", b"x = 1\n")
    repository.write("my train.py", b"x = 1\n")
    assert repository.judge(plain) == ()


def test_an_executable_script_may_stay_executable(repository: Repository) -> None:
    (repository.folder / "train.py").chmod(0o755)
    repository.base = repository.commit()
    repository.write("train.py", BASE + b"x = 1\n")
    assert repository.judge() == ()


# What is not


def test_a_diff_without_any_change_is_refused() -> None:
    assert rules_of(check_diff(b"", RULES)) == {Rule.EMPTY_DIFF}
    assert rules_of(check_diff(b"", RULES, ())) == {Rule.EMPTY_DIFF}


def test_another_file_is_refused_by_name(repository: Repository) -> None:
    repository.write("train.py", BASE + b"x = 1\n")
    repository.write("README.md", b"changed\n")
    (violation,) = repository.judge()
    assert (violation.path, violation.rule) == ("README.md", Rule.PATH_NOT_ALLOWED)
    assert "train.py" in violation.message


@pytest.mark.parametrize(
    "name", ["Train.py", "TRAIN.PY", "train.p\N{FULLWIDTH LATIN SMALL LETTER Y}"]
)
def test_a_name_that_only_looks_like_the_listed_one_is_refused(
    repository: Repository, name: str
) -> None:
    repository.write(name, b"x = 1\n")
    assert rules_of(repository.judge()) == {Rule.PATH_CASE}


@pytest.mark.parametrize(
    "name", [b"tr\xffain.py", b"a\nb.py", b"a\tb.py", b'a"b\\.py', b"\x1b[31m.py"]
)
def test_an_odd_name_is_refused_and_shown_harmlessly(repository: Repository, name: bytes) -> None:
    repository.write(name, b"x = 1\n")
    violations = repository.judge()
    assert Rule.ODD_PATH in rules_of(violations)
    assert all(violation.path.isprintable() for violation in violations)


def test_a_path_that_climbs_is_refused() -> None:
    for path in (b"../train.py", b"/train.py", b"a/../train.py", b"./train.py", b"a//b", b""):
        entry = RawChange("100644", "100644", "M", path)
        diff = b"diff --git a/%b b/%b\nindex 1234567..2345678 100644\n--- a/%b\n+++ b/%b\n" % (
            (path,) * 4
        )
        diff += b"@@ -1 +1 @@\n-a\n+b\n"
        assert Rule.ODD_PATH in rules_of(check_diff(diff, RULES, [entry])), path


def test_a_symbolic_link_is_refused(repository: Repository) -> None:
    (repository.folder / "train.py").unlink()
    (repository.folder / "train.py").symlink_to("/etc/passwd")
    assert Rule.SYMLINK in rules_of(repository.judge())


def test_a_submodule_is_refused(repository: Repository) -> None:
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{repository.base},sub")
    head = repository.git("commit-tree", repository.git("write-tree").decode().strip(), "-m", "x")
    diff = repository.git(
        "diff-tree", "-r", "-p", *DIFF_OPTIONS, repository.base, head.decode().strip()
    )
    assert Rule.SUBMODULE in rules_of(check_diff(diff, Rules(("sub",), "sub", 100)))


def test_a_change_of_mode_is_refused(repository: Repository) -> None:
    (repository.folder / "train.py").chmod(0o755)
    assert rules_of(repository.judge()) == {Rule.MODE_CHANGE}
    repository.write("train.py", BASE + b"x = 1\n")
    assert rules_of(repository.judge()) == {Rule.MODE_CHANGE}


def test_an_executable_creation_is_refused(repository: Repository) -> None:
    repository.write("model.py", b"x = 1\n")
    (repository.folder / "model.py").chmod(0o755)
    assert rules_of(repository.judge(Rules(("train.py", "model.py"), "train.py", 100))) == {
        Rule.NOT_REGULAR
    }


def test_a_deletion_is_refused(repository: Repository) -> None:
    (repository.folder / "train.py").unlink()
    assert rules_of(repository.judge()) == {Rule.DELETION}


def test_a_rename_is_refused_however_the_diff_was_made(repository: Repository) -> None:
    repository.git("mv", "train.py", "b.py")
    assert Rule.DELETION in rules_of(repository.judge())
    diff = repository.git("diff", "-M", "--full-index", repository.base, "HEAD")
    assert b"rename from" in diff
    assert Rule.RENAME in rules_of(check_diff(diff, Rules(("train.py", "b.py"), "train.py", 99)))


def test_a_binary_change_is_refused(repository: Repository) -> None:
    repository.write("train.py", BASE + b"\0\0")
    assert Rule.BINARY in rules_of(repository.judge())
    diff = repository.git("diff", repository.base, "HEAD")
    assert b"Binary files" in diff
    assert Rule.BINARY in rules_of(check_diff(diff, RULES))


def test_new_crlf_line_endings_are_refused_and_old_ones_kept(repository: Repository) -> None:
    repository.write("train.py", BASE.replace(b"STEPS = 10\n", b"STEPS = 10\r\n"))
    (violation,) = repository.judge()
    assert (violation.rule, violation.line) == (Rule.LINE_ENDINGS, 4)
    repository.write("train.py", BASE.replace(b"\n", b"\r\n"))
    repository.base = repository.commit()
    repository.write("train.py", BASE.replace(b"\n", b"\r\n").replace(b"10", b"20"))
    assert repository.judge() == ()


def test_the_number_of_changed_lines_can_be_limited(repository: Repository) -> None:
    repository.write("train.py", BASE.replace(b"1e-3", b"3e-3").replace(b"10", b"20"))
    assert repository.judge(Rules(("train.py",), "train.py", 1000, max_changed_lines=4)) == ()
    tight = Rules(("train.py",), "train.py", 1000, max_changed_lines=3)
    assert rules_of(repository.judge(tight)) == {Rule.TOO_MANY_LINES}


def test_a_huge_diff_is_refused_before_it_is_read() -> None:
    assert rules_of(check_diff(b"x" * 3_000_000, RULES)) == {Rule.TOO_LARGE}


def test_raw_entries_that_tell_another_story_are_refused(repository: Repository) -> None:
    repository.write("train.py", BASE + b"x = 1\n")
    diff, raw = repository.compare()
    other = RawChange("100644", "100644", "M", b"runner/score.py")
    assert check_diff(diff, RULES, raw) == ()
    for lie in ((*raw, other), (), (*raw, *raw)):
        assert Rule.READERS_DISAGREE in rules_of(check_diff(diff, RULES, lie))
    assert Rule.PATH_NOT_ALLOWED in rules_of(check_diff(b"", RULES, [other]))
    assert Rule.PATH_NOT_ALLOWED in rules_of(check_diff(b"garbage\n", RULES, [other]))


def test_a_second_file_without_a_git_header_is_refused() -> None:
    one = b"index 1234567..2345678 100644\n--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-a\n+b\n"
    diff = b"diff --git a/train.py b/train.py\n" + one
    assert check_diff(diff, RULES) == ()
    hidden = diff + one.replace(b"train.py", b"score.py").partition(b"\n")[2]
    assert Rule.UNREADABLE_DIFF in rules_of(check_diff(hidden, RULES))


HEAD = b"diff --git a/train.py b/train.py\n"
NAMES = b"--- a/train.py\n+++ b/train.py\n"
INDEX = b"index 1234567..2345678 100644\n"


@pytest.mark.parametrize(
    "diff",
    [
        b"garbage\n",
        b"\n",
        HEAD,
        HEAD + INDEX,
        HEAD + INDEX + NAMES,
        HEAD + INDEX + NAMES + b"@@ -1 +1 @@\n-a\n",
        HEAD + INDEX + NAMES + b"@@ -1 +1 @@\n-a\n+b",
        HEAD + INDEX + NAMES + b"@@ -1 +1 @@\n-a\n+b\n+c\n",
        HEAD + INDEX + NAMES + b"@@ -1 +1 @@\n a\n",
        HEAD + INDEX + NAMES + b"@@ -1,99999999999 +1 @@\n-a\n+b\n",
        HEAD + INDEX + INDEX + NAMES + b"@@ -1 +1 @@\n-a\n+b\n",
        HEAD + b"old mode 100644\nnew mode 120000\n" + INDEX + NAMES + b"@@ -1 +1 @@\n-a\n+b\n",
        HEAD + b"new file mode 100644\ndeleted file mode 100644\n",
        HEAD + b"new mode 100644\n",
        HEAD + INDEX + NAMES.replace(b"b/train", b"b/score") + b"@@ -1 +1 @@\n-a\n+b\n",
        HEAD.replace(b"b/train", b"b/score") + INDEX + NAMES + b"@@ -1 +1 @@\n-a\n+b\n",
        b'diff --git "a/train.py b/train.py"\n' + INDEX + NAMES + b"@@ -1 +1 @@\n-a\n+b\n",
        b"diff --cc train.py\n" + INDEX + NAMES + b"@@ -1 +1 @@\n-a\n+b\n",
    ],
)
def test_what_is_not_a_diff_as_git_prints_it_is_refused(diff: bytes) -> None:
    assert Rule.UNREADABLE_DIFF in rules_of(check_diff(diff, RULES))


def test_cut_off_raw_entries_are_unreadable() -> None:
    for data in (b":100644", b"x\0y\0", b":100644 100644 %b %b M\0" % (b"0" * 40, b"0" * 40)):
        with pytest.raises(UnreadableDiff):
            read_raw(data)


@given(st.binary())
def test_reading_raw_entries_raises_nothing_unexpected(data: bytes) -> None:
    try:
        read_raw(data)
    except UnreadableDiff:
        return


@given(st.binary(min_size=1))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quoted_names_are_read_as_git_writes_them(
    tmp_path_factory: pytest.TempPathFactory, name: bytes
) -> None:
    name = name.replace(b"\0", b"_").replace(b"/", b"_").replace(b".", b"_")[:100]
    assert unquote(_quote(name)) == name


def _quote(name: bytes) -> bytes:
    short = {7: b"a", 8: b"b", 9: b"t", 10: b"n", 11: b"v", 12: b"f", 13: b"r", 34: b'"', 92: b"\\"}
    body = b"".join(
        b"\\" + short[c] if c in short else bytes([c]) if 32 <= c < 127 else b"\\%03o" % c
        for c in name
    )
    return b'"' + body + b'"'


# Fuzzing: whatever arrives, no exception and no way round


@given(st.binary(), st.none() | st.just(()))
@example(b"diff --git a/x b/y\n", None)
def test_arbitrary_bytes_are_never_allowed(diff: bytes, raw: tuple[RawChange, ...] | None) -> None:
    assert check_diff(diff, RULES, raw) != ()


LINES = st.sampled_from(
    b"""\
diff --git a/train.py b/train.py
diff --git a/score.py b/score.py
diff --git a/train.py b/score.py
index 1234567..2345678 100644
index 1..2
old mode 100644
new mode 120000
new file mode 100644
deleted file mode 100644
similarity index 90%
rename from score.py
rename to train.py
--- a/train.py
+++ b/train.py
--- a/score.py
+++ b/score.py
--- /dev/null
+++ /dev/null
@@ -1 +1 @@
@@ -1,2 +1,2 @@ x
@@ -0,0 +1 @@
@@ -1 +0,0 @@
 a
-a
+b

\\ No newline at end of file
GIT binary patch
literal 3
KcmXS9C<g!m%>d~D
Binary files a/train.py and b/train.py differ""".split(b"\n")
)
WHOLE = (HEAD + INDEX + NAMES + b"@@ -1,2 +1,2 @@\n a\n-b\n+c\n").splitlines()


@st.composite
def mutated_diffs(draw: st.DrawFn) -> bytes:
    lines = WHOLE * draw(st.integers(0, 2))
    for _ in range(draw(st.integers(0, 12))):
        place = draw(st.integers(0, len(lines)))
        width = draw(st.integers(0, 2))
        lines[place : place + width] = draw(st.lists(LINES, max_size=3))
    return b"".join(line + b"\n" for line in lines)


@given(mutated_diffs())
@settings(max_examples=800)
def test_a_mutated_diff_is_allowed_only_if_it_touches_the_allowed_file(diff: bytes) -> None:
    if check_diff(diff, RULES) == ():
        for line in _lines_outside_hunks(diff):
            assert b"score.py" not in line
            assert not line.startswith(
                (b"old mode", b"new mode", b"deleted", b"rename", b"GIT", b"Bin")
            )
        assert {file.path for file in read_diff(diff)} == {b"train.py"}


def _lines_outside_hunks(diff: bytes) -> list[bytes]:
    """What git itself calls headers, counted here without the reader under test."""
    outside, inside = [], 0
    for line in diff.split(b"\n"):
        if inside > 0 and line[:1] in (b" ", b"+", b"-", b""):
            inside -= 2 if line[:1] in (b" ", b"") else 1
        elif line.startswith(b"@@"):
            sizes = [part.split(b",") for part in line.split()[1:3]]
            inside = sum(int(part[1]) if len(part) > 1 else 1 for part in sizes)
        else:
            outside.append(line)
    return outside


def test_what_is_allowed_is_what_git_itself_would_apply(repository: Repository) -> None:
    """Diffs that pass are applied by git: nothing but the allowed file may change."""
    blob = repository.git("hash-object", "-w", "--stdin", stdin=b"a\nb\n").decode().strip()
    tree = repository.git(
        "mktree", stdin=f"100644 blob {blob}\ttrain.py\n100644 blob {blob}\tscore.py\n".encode()
    )
    base = tree.decode().strip()
    applied = 0

    @given(mutated_diffs())
    @settings(max_examples=300, deadline=None)
    def check(diff: bytes) -> None:
        nonlocal applied
        if check_diff(diff, RULES) != ():
            return
        repository.git("read-tree", base)
        if (
            repository.git("apply", "--cached", "--unidiff-zero", "-", stdin=diff, ok=False)
            == b"FAILED"
        ):
            return
        applied += 1
        raw = read_raw(repository.git("diff-index", *RAW_OPTIONS, "--cached", base))
        assert {(entry.path, entry.new_mode) for entry in raw} <= {(b"train.py", "100644")}

    check()
    assert applied > 0


# The resulting files


def test_ordinary_source_is_allowed() -> None:
    assert check_files({"train.py": BASE + "s = 'é ü 東京 🙂'  # ok\n".encode()}, RULES) == ()
    assert check_files({"train.py": b""}, RULES) == ()


def test_a_missing_entry_is_refused() -> None:
    rules = Rules(("train.py", "b.py"), "train.py", 100)
    assert rules_of(check_files({"b.py": b"x = 1\n"}, rules)) == {Rule.MISSING_ENTRY}


def test_files_that_are_not_listed_are_refused() -> None:
    files = {"train.py": b"", "Train.py": b"", "../x": b"", "score.py": b""}
    assert rules_of(check_files(files, RULES)) == {
        Rule.PATH_CASE,
        Rule.ODD_PATH,
        Rule.PATH_NOT_ALLOWED,
    }


def test_a_file_over_the_size_cap_is_refused_before_it_is_read() -> None:
    rules = Rules(("train.py",), "train.py", 10)
    assert check_files({"train.py": b"x = 123456"}, rules) == ()
    assert rules_of(check_files({"train.py": b"\xff" * 11}, rules)) == {Rule.TOO_LARGE}


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (b"x = 1\ny = '\xff'\n", Rule.NOT_UTF8, 2),
        (b"x = 1\0\n", Rule.HIDDEN_CHARACTER, 1),
        (b"x = 1\n# \x1b[31m\n", Rule.HIDDEN_CHARACTER, 2),
        ("x = 1\ny = 'a\u202e'\n".encode(), Rule.HIDDEN_CHARACTER, 2),
        ("x = 'a\u2066b'\n".encode(), Rule.HIDDEN_CHARACTER, 1),
        ("x = 'a\u200bb'\n".encode(), Rule.HIDDEN_CHARACTER, 1),
        ("\ufeffx = 1\n".encode(), Rule.HIDDEN_CHARACTER, 1),
        (b"x = 1\r\n", Rule.LINE_ENDINGS, 1),
        (b"x = 1\n# a\rimport os\n", Rule.LINE_ENDINGS, 2),
        (b"# coding: utf-7\nx = 1\n", Rule.ENCODING, 1),
        (b"# coding: latin-1\nx = 1\n", Rule.ENCODING, 1),
        (b"# coding: no-such\nx = 1\n", Rule.ENCODING, 1),
        (b"x = 1\ny = (\n", Rule.DOES_NOT_PARSE, 2),
        (b"x = " + b"-" * 90_000 + b"1\n", Rule.DOES_NOT_PARSE, None),
        (b"x = 1" + b"+1" * 90_000 + b"\n", Rule.DOES_NOT_PARSE, None),
        (b"x = " + b"(" * 300 + b")" * 300, Rule.DOES_NOT_PARSE, 1),
        (b"x = " + b"9" * 90_000, Rule.DOES_NOT_PARSE, 1),
        (b"x = 1\ny = 0x" + b"f" * 5_000, Rule.DOES_NOT_PARSE, 2),
        (b"x = 1\nreturn x\n", Rule.DOES_NOT_PARSE, 2),
        (b"def f(a, a):\n    pass\n", Rule.DOES_NOT_PARSE, 1),
        (b"x = 1\nawait x\n", Rule.DOES_NOT_PARSE, 2),
        (b"from __future__ import nothing\n", Rule.DOES_NOT_PARSE, 1),
        *[
            (f"x = 1\ny = 'a{c}b'\n".encode(), Rule.HIDDEN_CHARACTER, 2)
            for c in "\u3164\uffa0\u115f\u1160\ufe0f\u034f\u2800\u00a0\u3000"
        ],
        ("x = 1\na\u3164b = 2\n".encode(), Rule.HIDDEN_CHARACTER, 2),
        ("x = 1\nﬁt = 2\n".encode(), Rule.ODD_NAME, 2),
        ("ﬁt = 2\n".encode(), Rule.ODD_NAME, 1),
        ("x = 1\ny = f'{\uff58}'\n".encode(), Rule.ODD_NAME, 2),
    ],
)  # fmt: skip
def test_text_that_is_not_what_it_seems_is_refused(content: bytes, rule: Rule, line: int) -> None:
    violations = check_files({"train.py": content}, RULES)
    assert (rule, line) in {(violation.rule, violation.line) for violation in violations}
    assert all(violation.message.isprintable() for violation in violations)


def test_compiling_runs_nothing_and_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    source = b"assert ('no', 'way')\nprint('\\d')\nraise SystemExit(3)\nx = 1 is 1\n"
    assert check_files({"train.py": source}, RULES) == ()
    assert not recwarn.list


def test_letters_of_any_script_may_be_names_and_text() -> None:
    source = "größe = 1  # µs ½\nd = f'{größe} µs ﬁ'\n名前 = 'Ⅳ'\n"
    assert check_files({"train.py": source.encode()}, RULES) == ()


def test_spaces_and_names_that_the_base_has_already_may_stay() -> None:
    before = "ﬁt = 'a\u00a0b'\n".encode()
    after = before + "y = ﬁt\n".encode()
    assert check_files({"train.py": after}, RULES, {"train.py": before}) == ()


def test_what_the_base_has_already_is_not_held_against_a_change() -> None:
    before = "\ufeff# \x0c\r\nx = 'a\u200db'\r\n".encode()
    after = before.replace(b"x =", b"yy =")
    assert check_files({"train.py": after}, RULES, {"train.py": before}) == ()
    more = after + "# \u200d\n".encode()
    assert rules_of(check_files({"train.py": more}, RULES, {"train.py": before})) == {
        Rule.HIDDEN_CHARACTER
    }


def test_a_file_that_is_not_python_need_not_parse() -> None:
    rules = Rules(("train.py", "config.yaml"), "train.py", 100)
    assert check_files({"train.py": b"", "config.yaml": b"a: [1"}, rules) == ()


@given(st.dictionaries(st.text(max_size=10) | st.just("train.py"), st.binary(max_size=300)))
@settings(max_examples=300)
def test_arbitrary_files_never_raise(files: dict[str, bytes]) -> None:
    violations = check_files(files, RULES)
    assert violations or set(files) == {"train.py"}


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_allowed_source_parses_and_hides_nothing(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    if check_files({"train.py": content}, RULES) == ():
        compile(content, "train.py", "exec", dont_inherit=True, flags=0x400)
        assert all(
            character.isprintable() or character in "\n\t " or ord(character) > 127
            for character in text
        )
