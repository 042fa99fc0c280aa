"""GitHub's git: fetching what it has, and moving its refs by compare-and-swap, all or none.

What was fetched is kept below `refs/mergelab`, apart from the user's own remotes. A push names
for every ref where it must be; the server takes all of them or none, and never anything that
was somewhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.forge.base import Conflict, ForgeError
from bot.forge.github.auth import Credential, git_header
from bot.forge.github.errors import Uncertain, Unreachable
from bot.git import GitFailed, Repository
from bot.text.plain import one_line

MIRROR = "refs/mergelab"
_FETCHED = {
    "refs/heads": "heads",
    "refs/forge/opening": "opening",
    "refs/forge/ending": "ending",
    "refs/forge/proposals": "proposals",
    "refs/forge/conversations": "conversations",
}
_RACE = (
    *("stale info", "fetch first", "cannot lock ref", "already exists", "failed to update ref"),
    *("remote ref updated since checkout", "incorrect old value"),
)
_GONE = "not our ref"
_PATIENCE = ("-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=60")


@dataclass(frozen=True)
class Move:
    """A ref of GitHub's that goes from `old` to `new`; None stands for no such ref."""

    ref: str
    new: str | None
    old: str | None


def clone_url(api_url: str, repository: str) -> str:
    """Where git finds the repository whose API is there."""
    parts = urlsplit(api_url)
    root = f"{parts.scheme}://{parts.netloc}"
    if parts.netloc == "api.github.com":
        root = "https://github.com"
    return f"{root}/{repository}.git"


class Remote:
    """The repository on GitHub, as git sees it from one clone."""

    def __init__(self, repository: Repository, url: str, credential: Credential | None) -> None:
        self.repository = repository
        self.url = url
        self._credential = credential

    def fetch(self, *more: str) -> None:
        """Fetch branches and journals, and the refspecs in `more`. Raises Unreachable."""
        specs = [f"+{source}/*:{MIRROR}/{name}/*" for source, name in _FETCHED.items()]
        self._fetch(*specs, *more)

    def _fetch(self, *specs: str) -> None:
        options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-gc")
        try:
            self.repository.git.run(
                *_PATIENCE, "fetch", *options, self.url, *specs, environment=self._secret()
            )
        except GitFailed as error:
            raise Unreachable(
                f"Git could not fetch from {self.url}: {one_line(error.stderr, 300)}. Look at the"
                " network and the credential, and run this again."
            ) from None

    def fetch_commits(self, commits: Iterable[str]) -> None:
        """Fetch commits that no branch holds any more, as after a force-push.

        GitHub keeps them for long; one that it has thrown away stays missing. Raises Unreachable.
        """
        for commit in commits:
            try:
                self._fetch(commit)
            except Unreachable as error:
                if _GONE not in str(error):
                    raise

    def look_up(self, ref: str) -> str | None:
        """Fetch one ref that is none of the above, and say where it is. Raises Unreachable.

        It writes no ref that `fetch` writes, so that both may run at the same time.
        """
        mirror = f"{MIRROR}/single/{ref.removeprefix('refs/')}"
        # A pattern, because it is no mistake that there is none yet.
        self._fetch(f"+{ref}*:{mirror}*")
        return self.repository.ref(mirror)

    def branch(self, name: str) -> str | None:
        """Where a branch was when it was fetched."""
        return self.repository.ref(f"{MIRROR}/heads/{name}")

    def kept(self, name: str) -> dict[str, str]:
        """The refs of GitHub's `refs/forge/NAME/` when they were fetched, and where they were."""
        prefix = f"{MIRROR}/{name}/"
        listing = self.repository.git.text(
            "for-each-ref", "--format=%(objectname) %(refname)", prefix
        )
        pairs = (line.split(" ", 1) for line in listing.split("\n") if line)
        return {ref.removeprefix(prefix): commit for commit, ref in pairs}

    def own(self, prefix: str) -> dict[str, str]:
        """The refs of GitHub's below `prefix` by their full names, if it is one that is fetched."""
        source = prefix.rstrip("/")
        found = self.kept(_FETCHED[source]) if source in _FETCHED else {}
        return {f"{source}/{name}": at for name, at in found.items()}

    def mirrors(self, ref: str) -> bool:
        """Whether `fetch` brings this ref, so that what it holds stays in this clone."""
        return bool(_split(ref)[0])

    def push(self, moves: Sequence[Move]) -> None:
        """Make all moves or none.

        Whatever git says, GitHub is asked before it is believed: an answer can get lost, and
        git then sends the same again and is refused.

        Raises Conflict when one of the refs is somewhere else, ForgeError when GitHub forbids
        it, Unreachable when it could not be done; then nothing has changed.
        """
        leases = [f"--force-with-lease={move.ref}:{move.old or ''}" for move in moves]
        specs = [f"{move.new or ''}:{move.ref}" for move in moves]
        done = self.repository.git.run(
            *_PATIENCE,
            *("push", "--porcelain", "--atomic", "--no-verify", "--no-follow-tags"),
            *("--recurse-submodules=no", "--signed=no", *leases, self.url, *specs),
            environment=self._secret(),
            accepted=range(256),
        )
        if done.code == 0 or self._took(moves):
            self._mirror(moves)
            return
        said = done.stdout.decode("utf-8", "replace") + done.stderr
        if any(words in said for words in _RACE):
            raise Conflict("Somebody else moved a branch on GitHub first. Nothing was changed.")
        refused = [line for line in said.split("\n") if "rejected]" in line or "remote:" in line]
        if refused:
            raise ForgeError(
                f"GitHub refuses the push: {one_line(' '.join(refused), 400)}. If the branch is"
                " protected, let the bot bypass it; docs/github.md says how."
            )
        raise Unreachable(
            f"Git could not push to {self.url}: {one_line(done.stderr, 300)}. Nothing was changed;"
            " look at the network and the credential, and run this again."
        )

    def now(self, refs: Sequence[str]) -> dict[str, str]:
        """Those of these refs that GitHub has, and where it has them. Raises Unreachable."""
        done = self.repository.git.run(
            *(*_PATIENCE, "ls-remote", "--refs", self.url, *refs),
            environment=self._secret(),
            accepted=range(256),
        )
        if done.code:
            raise Unreachable(
                f"Git could not ask {self.url}: {one_line(done.stderr, 300)}. Look at the network"
                " and the credential, and run this again."
            )
        lines = (line.split("\t") for line in done.stdout.decode().split("\n") if line)
        return {ref: commit for commit, ref in lines}

    def _took(self, moves: Sequence[Move]) -> bool:
        """Whether GitHub's refs are where these moves lead. Raises Uncertain."""
        try:
            there = self.now([move.ref for move in moves])
        except Unreachable as error:
            raise Uncertain(
                f"Git lost {self.url} during a push: {error} What was pushed is found then."
            ) from None
        return all(there.get(move.ref) == move.new for move in moves)

    def _mirror(self, moves: Sequence[Move]) -> None:
        lines = []
        for move in moves:
            source, name = _split(move.ref)
            if source in _FETCHED:
                ref = f"{MIRROR}/{_FETCHED[source]}/{name}"
                lines.append(f"update {ref} {move.new}" if move.new else f"delete {ref}")
        text = "".join(f"{line}\n" for line in lines)
        self.repository.git.run("update-ref", "--stdin", stdin=text.encode())

    def _secret(self) -> Mapping[str, str]:
        """The credential as configuration in the environment, where no list of processes is.

        The empty first value drops a header that the clone itself may have; no helper is asked.
        """
        if self._credential is None or not self.url.startswith("http"):
            return {}
        key = f"http.{self.url}.extraHeader"
        count = os.environ.get("GIT_CONFIG_COUNT", "0")
        start = int(count) if count.isdecimal() else 0
        pairs = [(key, ""), (key, git_header(self._credential.token())), ("credential.helper", "")]
        added = {"GIT_CONFIG_COUNT": str(start + len(pairs))}
        for place, (name, value) in enumerate(pairs, start):
            added |= {f"GIT_CONFIG_KEY_{place}": name, f"GIT_CONFIG_VALUE_{place}": value}
        return added


def _split(ref: str) -> tuple[str, str]:
    """Which of the fetched places a ref is in, and its name there; empty for another one."""
    for source in _FETCHED:
        if ref.startswith(f"{source}/"):
            return source, ref.removeprefix(f"{source}/")
    return "", ref
