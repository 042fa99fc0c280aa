"""A clone, the model of GitHub, and the forge between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from bot.forge.base import Author
from bot.forge.github.auth import TokenCredential
from bot.forge.github.client import GitHubClient
from bot.forge.github.forge import GitHubForge
from bot.forge.github.remote import Remote
from bot.git import Identity, Repository
from bot.model import Verdict
from tests.bot.forge.hub import run
from tests.github.setting import BOT_ID, BOT_LOGIN, BOT_TOKEN
from tests.github.state import GitHub


class GitHubHub:
    """A hub around the forge on GitHub; git goes by the file system, which is faster."""

    def __init__(self, path: Path, github: GitHub, address: str) -> None:
        self.path = path
        self.github = github
        self.address = address
        self.repository = Repository(path)
        self.verdicts: dict[int, Verdict] = {}
        self.slept: list[float] = []
        self.client = self.new_client()
        self.forge = self.another_bot(self.client)

    def new_client(self, token: str = BOT_TOKEN) -> GitHubClient:
        return GitHubClient(
            self.github.full_name,
            TokenCredential(token),
            self.address,
            timeout_s=5,
            between_writes_s=0,
            sleep=self.slept.append,
            clock=self._clock,
        )

    def another_bot(
        self,
        client: GitHubClient | None = None,
        account: str = BOT_LOGIN,
        remote: Remote | None = None,
        account_id: int = 0,
        adopted_paths: Collection[str] = (),
        holds_s: float = 0.0,
    ) -> GitHubForge:
        return GitHubForge(
            self.repository,
            client or self.new_client(),
            remote or Remote(self.repository, str(self.github.repository.path), None),
            "main",
            account=account,
            account_id=account_id,
            verdicts=lambda: self.verdicts,
            adopted_paths=adopted_paths,
            holds_s=holds_s,
            clock=self._clock,
            sleep=self.slept.append,
        )

    def commit(self, files: Mapping[str, bytes], *parents: str) -> str:
        tree = self.repository.tree_with(parents[0], files)
        return self.repository.commit_tree(
            tree, parents, "Work", Identity("Ada", "ada@example.org"), self.github.now
        )

    def tree(self, commit: str) -> str:
        return self.repository.tree(commit)

    def branch(self, name: str) -> str | None:
        return self.github.repository.refs().get(f"refs/heads/{name}")

    def person_pushes(self, branch: str, commit: str | None) -> None:
        place = str(self.github.repository.path)
        run(self.path, "push", "-q", "--force", place, f"{commit or ''}:refs/heads/{branch}")
        with self.github.lock:
            self.github.observe()

    def seen_as(self, author: Author) -> Author:
        """Whoever says it through the bot's credential, GitHub shows its account."""
        return Author(BOT_LOGIN, str(BOT_ID), author.is_bot)

    def kept(self, text: str) -> str:
        """GitHub takes no null characters."""
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}")

    def _clock(self) -> float:
        return float(self.github.now)
