"""The check beside the head commit: display only, made once and already completed.

Only an App may write check runs. Where the credential is none, or lacks the permission, a commit
status takes its place: it has no page of its own, and its words are short.
"""

from __future__ import annotations

from collections.abc import Collection

from bot.forge.base import Check, Conclusion
from bot.forge.github.answers import CheckRun, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Forbidden, Uncertain
from bot.forge.github.reading import CHECK_NAME
from bot.forge.github.records import MOST_BYTES, clipped, plain

_STATUS_CHARACTERS = 140
_TITLE_BYTES = 255
# A status knows no loss that is no failure; only a win may be green.
_STATES = {Conclusion.SUCCESS: "success", Conclusion.NEUTRAL: "failure"}


class Checks:
    """Posts checks in the best way that the credential allows."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._statuses = False  # found out by the first check

    def of(self, head: str) -> list[CheckRun]:
        """The check runs with the bot's name on a commit, whoever made them."""
        try:
            found = self._client.list(
                f"commits/{head}/check-runs", "check_runs", check_name=CHECK_NAME, filter="all"
            )
        except Forbidden:
            return []
        return parse_all(CheckRun, found)

    def post(self, check: Check, apps: Collection[int], *, first: bool = False) -> None:
        """Show a check, once: where the last one of these Apps is the same, nothing happens.

        `first` says that there can be none yet.
        """
        if not first and self._shows(check, apps):
            return
        if self._statuses:
            self._status(check)
            return
        body = {
            "name": CHECK_NAME,
            "head_sha": check.head,
            "external_id": check.attempt,
            "status": "completed",
            "conclusion": str(check.conclusion),
            "output": {
                "title": clipped(plain(check.title), _TITLE_BYTES) or CHECK_NAME,
                "summary": clipped(plain(check.summary), MOST_BYTES),
            },
        }
        for again in (True, False):
            try:
                self._client.post("check-runs", body)
            except Forbidden:
                self._statuses = True
                self._status(check)
            except Uncertain:
                if self._shows(check, apps):
                    return
                if again:
                    continue
                raise
            return

    def _shows(self, check: Check, apps: Collection[int]) -> bool:
        own = [run for run in self.of(check.head) if run.app is not None and run.app.id in apps]
        last = max(own, key=lambda run: run.id, default=None)
        shown = last and (last.external_id, last.conclusion)
        return shown == (check.attempt, check.conclusion)

    def _status(self, check: Check) -> None:
        """A status with the same context takes the place of the one before: no second look."""
        title = plain(check.title)
        body = {
            "context": CHECK_NAME,
            "state": _STATES.get(check.conclusion, "error"),
            "description": title[: _STATUS_CHARACTERS - 1] + "…"
            if len(title) > _STATUS_CHARACTERS
            else title,
        }
        self._client.post(f"statuses/{check.head}", body)
