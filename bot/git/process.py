"""How git is run: one hardened process per command, typed errors, retries where git is busy.

Nothing of the user's configuration may change what a command means: hooks, pagers, signing,
replace refs and colours are off, and the environment loses every GIT_ variable that could
point the command elsewhere. Identity, credentials and configuration files stay as they are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MINIMUM_VERSION = (2, 38)  # the first with `merge-tree --write-tree` and `cat-file -z`
LOCK_PATIENCE_S = 5.0
_LOCK_PAUSE_S = 0.05
_PATIENCE_WITH_INTERRUPTED_S = 30.0

_KEPT_VARIABLES = re.compile(
    r"GIT_(CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)|CEILING_DIRECTORIES"
    r"|(AUTHOR|COMMITTER)_(NAME|EMAIL)|SSH(_COMMAND|_VARIANT)?|ASKPASS|SSL_\w+|PROXY_\w+"
    r"|EXEC_PATH|HTTP_\w+|ALLOW_PROTOCOL)\Z"
)

_OPTIONS = (
    "--no-pager",
    "--no-replace-objects",
    "--literal-pathspecs",
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.quotePath=true"),
    *("-c", "core.filesRefLockTimeout=1000"),
    *("-c", "core.packedRefsTimeout=1000"),
    *("-c", "color.ui=false"),
    *("-c", "commit.gpgSign=false"),
    *("-c", "tag.gpgSign=false"),
    *("-c", "log.showSignature=false"),
    *("-c", "i18n.commitEncoding=UTF-8"),
    *("-c", "i18n.logOutputEncoding=UTF-8"),
)


class GitError(Exception):
    """Git cannot do what is needed; the message says what happened and what to do."""


class GitMissing(GitError):
    """There is no git on this machine, or it is too old."""


class NotARepository(GitError):
    """The folder is not inside the working tree of a usable git repository."""


class NoIdentity(GitError):
    """Git does not know in whose name to make commits."""


class GitFailed(GitError):
    """A git command ended with an error that nobody expected."""

    def __init__(self, command: str, code: int, stderr: str, place: Path) -> None:
        reason = stderr.strip() or "no message"
        super().__init__(f"`git {command}` failed in {place} (exit code {code}): {reason}")
        self.code = code
        self.stderr = stderr


class GitLocked(GitFailed):
    """A lock file of git was held the whole time that we were ready to wait."""

    def __init__(self, command: str, code: int, stderr: str, place: Path) -> None:
        super().__init__(command, code, stderr, place)
        held = re.search(r"'([^']+\.lock)'", stderr)
        self.lock = Path(held[1]) if held else None
        self.args = (
            f"Another git process holds {self.lock or 'a lock file'} in {place}. Wait for it to"
            " end and start again; if none is running, a crash has left the file: delete it.",
        )


@dataclass(frozen=True)
class Completed:
    """What a finished git process left: exit code and output."""

    code: int
    stdout: bytes
    stderr: str


class Git:
    """Runs git commands in one folder."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def run(
        self,
        *arguments: str | bytes,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        accepted: Sequence[int] = (0,),
    ) -> Completed:
        """Run `git ARGUMENTS`; wait for locks that are held for a moment.

        Raises GitFailed for an exit code that is not in `accepted`, GitLocked when a lock
        stays, NotARepository, and GitMissing.
        """
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while True:
            done = self._once(arguments, stdin, environment)
            if done.code in accepted:
                return done
            locked = _is_locked(done.stderr)
            if locked and time.monotonic() < deadline:
                time.sleep(_LOCK_PAUSE_S)
                continue
            kind = GitLocked if locked else GitFailed
            raise _better(done.stderr, self.place) or kind(
                os.fsdecode(arguments[0]), done.code, done.stderr, self.place
            )

    def text(self, *arguments: str | bytes, stdin: bytes = b"") -> str:
        """The output of a command as text without its last line break."""
        return os.fsdecode(self.run(*arguments, stdin=stdin).stdout).removesuffix("\n")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A git process with open pipes, for commands that answer while they read."""
        return self._spawn(arguments, None)

    def _once(
        self,
        arguments: Sequence[str | bytes],
        stdin: bytes,
        environment: Mapping[str, str] | None,
    ) -> Completed:
        process = self._spawn(arguments, environment)
        try:
            stdout, stderr = process.communicate(stdin)
        except BaseException:
            # Ctrl-C: git ends by itself in a moment, and killed now it would leave its locks.
            # Without the rest of its input a transaction changes nothing.
            _let_end(process)
            raise
        return Completed(process.returncode, stdout, stderr.decode("utf-8", "replace"))

    def _spawn(
        self, arguments: Sequence[str | bytes], environment: Mapping[str, str] | None
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["git", *_OPTIONS, *arguments],
                cwd=self.place,
                env=_environment(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A signal to our process group must not end git half-way.
                start_new_session=True,
            )
        except OSError as error:
            raise _not_started(self.place, error) from error


def check_version(git: Git) -> None:
    """Raise GitMissing when the installed git is too old."""
    answer = git.text("version")
    found = re.search(r"(\d+)\.(\d+)", answer)
    if found is None or (int(found[1]), int(found[2])) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise GitMissing(f"Git {wanted} or newer is needed, found '{answer}'. Please update git.")


def _environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or _KEPT_VARIABLES.match(name)
    }
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
        "LANGUAGE": "",
        **(extra or {}),
    }


def _is_locked(stderr: str) -> bool:
    return ".lock': File exists" in stderr


def _let_end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                pipe.close()
    try:
        process.wait(_PATIENCE_WITH_INTERRUPTED_S)
    except BaseException:  # it hangs, or a second Ctrl-C
        process.kill()
        raise


def _not_started(place: Path, error: OSError) -> GitError:
    if not place.is_dir():
        return NotARepository(f"There is no folder {place}. Start inside a git repository.")
    wanted = ".".join(map(str, MINIMUM_VERSION))
    if isinstance(error, FileNotFoundError):
        return GitMissing(f"The program git was not found. Install git {wanted} or newer.")
    return GitError(f"Git could not be started in {place}: {error}.")


def _better(stderr: str, place: Path) -> GitError | None:
    if any(os.strerror(number) in stderr for number in (errno.ENOSPC, errno.EDQUOT)):
        return GitError(
            f"The disk is full: git could not write into the repository {place}. Nothing is lost."
            " Free some space and run this again."
        )
    if "not a git repository" in stderr:
        return NotARepository(
            f"{place} is not inside a git repository. Change into one, or make one with `git init`."
        )
    if "dubious ownership" in stderr:
        return NotARepository(
            f"Git refuses to work in {place} because somebody else owns it. If you trust it, run:"
            f" git config --global --add safe.directory {place}"
        )
    return None
