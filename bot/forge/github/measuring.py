"""Attempts, their results and checks: the part of the record that grows while it is measured.

The first of two records of the same thing counts, whoever wrote it. An attempt is begun only
after GitHub has shown that ours came first; a result needs no such look, for a second one changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.forge.base import Attempt, Check, Conflict, ForgeError, PullRequest
from bot.forge.events import Attempted, Measured
from bot.forge.expected import require_no_result, require_room_for
from bot.forge.fold import FoldError, apply
from bot.forge.github.answers import Issue, parse
from bot.forge.github.checks import Checks
from bot.forge.github.client import GitHubClient
from bot.forge.github.looking import Looks
from bot.forge.github.memory import Memory, Seen
from bot.forge.github.reading import apps_of, is_first
from bot.forge.github.states import MEASURING, with_state
from bot.forge.github.writing import Comments
from bot.git import Repository


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """Writes what is asked for and what came of it; `own` is the account's numeric id."""

    repository: Repository
    client: GitHubClient
    looks: Looks
    memory: Memory
    comments: Comments
    checks: Checks
    own: int
    now: Callable[[], int]
    unshown: set[tuple[int, str]] = field(default_factory=set)  # recorded here, without a check

    def start(self, number: int, attempt: Attempt) -> None:
        """Write down that `attempt` is asked for. Raises Conflict, FoldError, ForgeError."""
        seen, pull = self.looks.standing(number, fresh=False)
        require_room_for(pull, attempt)
        event = Attempted.of(attempt, self.now())
        self._check_trees(attempt)
        apply(pull, "", event)
        text = f"Attempt {attempt.id}: {len(attempt.runs)} runs are asked for."
        key, written = self.comments.keep(number, text, event)
        if self._label(seen) == len(seen.comments) + written:
            return  # nobody else has said anything meanwhile
        comments = self.comments.of(number)
        known = self.memory.known(number) or seen  # with the label of just now
        self.memory.keep(number, replace(known, comments=tuple(comments)))
        if not is_first(comments, self.own, key):
            raise Conflict(f"Another bot wrote the same about #{number} first.")

    def record(self, number: int, attempt: str, results: Mapping[int, Mapping[str, Any]]) -> None:
        """Keep results of one attempt, in one comment where they fit.

        What is known of the pull request is enough to write them; only for refusing them it is
        read anew. Raises Conflict, FoldError, ForgeError.
        """
        events = [
            Measured(at=self.now(), attempt=attempt, index=index, result=dict(result))
            for index, result in sorted(results.items())
        ]
        if not events:
            return
        known = self.looks.known(number)
        if known is None or not _follow(known, events):
            _, known = self.looks.standing(number, fresh=True)
            require_no_result(known, attempt, results)
            for event in events:
                known = apply(known, "", event)
        runs = ", ".join(str(event.index + 1) for event in events)
        self.comments.keep(number, f"Attempt {attempt}: measured run {runs}.", *events)
        self.unshown.add((number, attempt))

    def post(self, number: int, check: Check) -> None:
        """Show a completed check on the pull request, once.

        What a process that was ended has shown is looked for, unless the check is about results
        that came with this one.
        """
        seen, _ = self.looks.standing(number, fresh=False)
        about = (number, check.attempt)
        first = about in self.unshown
        self.unshown.discard(about)
        self.checks.post(check, apps_of(seen.comments, self.own), first=first)

    def _label(self, seen: Seen) -> int | None:
        """Show that it is being measured; how many comments there are, where GitHub says so."""
        if MEASURING in seen.shown.names:
            return None
        labels = with_state(seen.shown.names, MEASURING)
        number = seen.shown.number
        answer = parse(Issue, self.client.patch(f"issues/{number}", {"labels": labels}))
        self.memory.labelled(number, [label.name for label in answer.labels])
        return answer.comments

    def _check_trees(self, attempt: Attempt) -> None:
        """Raise ForgeError when the clone lacks a tree that is to be measured."""
        for tree in {attempt.merge_tree, *(run.tree for run in attempt.runs)}:
            git = self.repository.git
            if git.run("cat-file", "-e", f"{tree}^{{tree}}", accepted=(0, 1, 128)).code:
                raise ForgeError(f"This cannot be kept: there is no tree {tree}.")


def _follow(pull: PullRequest, events: list[Measured]) -> bool:
    """Whether events can follow what is known."""
    try:
        for event in events:
            pull = apply(pull, "", event)
    except FoldError:
        return False
    return True
