"""Takes in what was measured since the last step: from GitHub's artifacts into the forge.

A result is believed only after GitHub confirmed run, workflow, event, branch and attempt, and
after it was seen to measure, with these seeds, the very files that the attempt asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.candidate import measured_digest
from bot.forge.base import Attempt, Conflict, Forge, PullRequest, State
from bot.forge.github.errors import NotFound, Rejected
from bot.git import GitError, Repository
from bot.history.reduce import foreign
from bot.history.trees import remake_trees
from bot.settings import Settings
from bot.workflows.archive import BadArchive, read_one
from bot.workflows.runs import Runs, WorkflowRun
from runner.actions.documents import DOCUMENT, MOST_BYTES, Published, parse_published, title_of
from runner.errors import RequestError

MOST_TRIES = 3
"""How often an attempt is asked for before a person has to look why nothing comes back."""


@dataclass(frozen=True)
class Found:
    """What became of the unfinished attempts, by their ids."""

    waiting: Mapping[str, str]  # being measured, or waiting for a runner: address of the run
    lost: Mapping[str, Sequence[WorkflowRun]]  # came to nothing so often, the newest first


@dataclass(frozen=True)
class Collector:
    """Reads runs of measure.yml and writes results to the forge."""

    repository: Repository
    forge: Forge
    settings: Settings
    runs: Runs
    say: Callable[[str], None]

    def collect(self) -> Found:
        """Take in everything that is there, and tell what is not."""
        pulls = self.forge.pulls(State.OPEN)
        remake_trees(self.repository, pulls)
        open_ones = [
            (pull, attempt) for pull in pulls for attempt in pull.attempts if not attempt.complete
        ]
        waiting: dict[str, str] = {}
        lost: dict[str, Sequence[WorkflowRun]] = {}
        if not open_ones:
            return Found(waiting, lost)
        by_title = self.runs.since(min(attempt.created_at for _, attempt in open_ones))
        for pull, attempt in open_ones:
            tries = by_title.get(title_of(pull.number, attempt.id), ())
            failed = []
            for run in tries:
                published = self._published(run, pull, attempt)
                if published is not None:
                    self._keep(pull, attempt, published)
                    break
                if run.over:
                    failed.append(run)
                else:
                    waiting[attempt.id] = run.html_url
            else:
                if attempt.id not in waiting:
                    lost[attempt.id] = failed
        return Found(waiting, lost)

    def _published(self, run: WorkflowRun, pull: PullRequest, attempt: Attempt) -> Published | None:
        """The document of a run, if it has one and all of it is right."""
        if run.status in {"queued", "requested", "waiting", "pending"}:
            return None
        try:
            artifact = self.runs.artifact(run)
            if artifact is None:
                return None
            why = self.runs.confirm(run, pull.number, attempt.id)
            if why is None:
                archive = self.runs.download(artifact)
                published = parse_published(read_one(archive, DOCUMENT, MOST_BYTES))
                why = self._misfit(published, pull, attempt)
                if why is None:
                    return published
        except (BadArchive, RequestError, NotFound, Rejected) as error:
            why = str(error)
        self.say(
            f"#{pull.number}: a result of attempt {attempt.id} is refused, because {why} "
            f"({run.html_url}). Nothing of it was recorded."
        )
        return None

    def _misfit(self, published: Published, pull: PullRequest, attempt: Attempt) -> str | None:
        told = published.expected
        if (told.pr, told.attempt) != (pull.number, attempt.id):
            return f"it is of attempt {told.attempt} of #{told.pr}"
        if told.base_branch != self.settings.repository.base:
            return f"it was measured for the branch {told.base_branch}"
        for run, result in zip(told.runs, published.measurements, strict=True):
            if run.index >= len(attempt.runs):
                return f"there is no run {run.index + 1} in it"
            planned = attempt.runs[run.index]
            if planned.side != run.side:
                return f"run {run.index + 1} is of the other side"
            if why := foreign(planned, result, self._subject(planned.tree)):
                return why
        return None

    def _subject(self, tree: str) -> str:
        try:
            return measured_digest(self.repository, tree, self.settings)
        except GitError:
            return ""

    def _keep(self, pull: PullRequest, attempt: Attempt, published: Published) -> None:
        results = {
            run.index: result.model_dump(mode="json")
            for run, result in zip(published.expected.runs, published.measurements, strict=True)
            if run.index not in attempt.results
        }
        try:
            self.forge.record_many(pull.number, attempt.id, results)
        except Conflict:
            self.say(f"#{pull.number}: another bot has taken in attempt {attempt.id} already.")
            return
        self.say(f"#{pull.number}: took in {len(results)} results of attempt {attempt.id}")
