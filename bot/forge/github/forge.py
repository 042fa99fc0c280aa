"""The forge on GitHub: `bot.forge.base.Forge` by its API, and by git what must be one step.

GitHub's own state of a pull request is what people see and what they ask for; what counts is
the bot's record, its own comments folded event by event, and the ledger. A base branch moves
only by a push that names where it must be. See `bot.forge.github.journal` for what is left when
the bot is ended between a push and the calls that follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from bot.forge.base import (
    Attempt,
    Author,
    Check,
    NewPull,
    NoSuchPull,
    Note,
    Permission,
    PullRequest,
    State,
    Stray,
)
from bot.forge.events import Closed, Judgement, Merged
from bot.forge.expected import refusals, require_descent, require_head, require_open
from bot.forge.git.audits import GitAudits
from bot.forge.github.account import permission_of, whoami
from bot.forge.github.adoption import Adoption
from bot.forge.github.answers import Label, parse_all
from bot.forge.github.audits import GitHubAudits
from bot.forge.github.base_branch import BaseBranch
from bot.forge.github.checks import Checks
from bot.forge.github.client import GitHubClient
from bot.forge.github.endings import Endings
from bot.forge.github.journal import Journal
from bot.forge.github.looking import Looks, check_number
from bot.forge.github.measuring import Measurements
from bot.forge.github.memory import HOLDS_S, Memory
from bot.forge.github.opening import Openings
from bot.forge.github.own_refs import GitHubOwnRefs
from bot.forge.github.remote import Move, Remote
from bot.forge.github.reviews import Reviews
from bot.forge.github.states import managed
from bot.forge.github.verdicts import Verdicts
from bot.forge.github.writing import Comments
from bot.git import Identity, Repository
from bot.model import Verdict


class GitHubForge:
    """The pull requests of one repository on GitHub that go into `base_branch`."""

    name = "github"

    def __init__(
        self,
        repository: Repository,
        client: GitHubClient,
        remote: Remote,
        base_branch: str,
        *,
        account: str = "",
        account_id: int = 0,
        verdicts: Callable[[], Mapping[int, Verdict]] = dict,
        adopted_paths: Collection[str] = (),
        holds_s: float = HOLDS_S,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`verdicts` are those in the ledger, by number of the pull request.

        A pull request of a person that changes nothing but `adopted_paths` becomes an experiment;
        without any, only those do that somebody labels.

        For `holds_s` seconds a look at GitHub is good for the next one as well, but for what is
        asked for right before something is merged.
        """
        user = whoami(client, account, account_id)
        self.repository = repository
        self.bot = bot = Author(user.login, str(user.id), is_bot=True)
        self._client = client
        self._remote = remote
        self._clock = clock
        self._memory = memory = Memory(clock, holds_s)
        self._comments = comments = Comments(client, user.id, memory.wrote)
        self._checks = checks = Checks(client)
        self._reviews = reviews = Reviews(client, bot)
        self._adoption = Adoption(client, adopted_paths, self._may_write)
        self._base = base = BaseBranch(repository, remote, base_branch)
        self._looks = looks = Looks(
            repository=repository,
            client=client,
            remote=remote,
            memory=memory,
            comments=comments,
            reviews=reviews,
            bot=bot,
            base_branch=base_branch,
            verdicts=verdicts,
        )
        self._measurements = Measurements(
            repository=repository,
            client=client,
            looks=looks,
            memory=memory,
            comments=comments,
            checks=checks,
            own=user.id,
            now=self._now,
        )
        author = Identity(bot.name, f"{bot.id}+{bot.name}@users.noreply.github.com")
        journal = Journal(repository, remote, author)
        self._openings = Openings(
            client,
            remote,
            comments,
            own=user.id,
            journal=journal,
            memory=memory,
            base_branch=base_branch,
        )
        self._endings = Endings(client, base, comments, journal, sleep)
        self._verdicts = Verdicts(
            looks=looks, memory=memory, remote=remote, base=base, endings=self._endings
        )
        self.own_refs = GitHubOwnRefs(repository, remote)
        local = GitAudits(repository, Author(author.name, author.email), self._now)
        self.audits = GitHubAudits(repository, client, remote, local)

    # Reading

    def recover(self) -> None:
        """Finish what a crash left half done: openings and endings in the journal."""
        self._memory.forget()
        self._base.recover()
        self._remote.fetch()
        self._openings.finish()
        self._endings.finish_all()
        self._base.follow()

    def base(self) -> str:
        """The commit that the base branch points to on GitHub; the clone's own follows it."""
        self._remote.fetch()
        return self._base.follow()

    def pulls(self, state: State | None = None) -> tuple[PullRequest, ...]:
        """Experiments in order of their numbers; all of them, or those in one state.

        For the open ones only what may be open is read. Checks are left out; `pull` has them.
        """
        if state is State.OPEN:
            found = tuple(self._looks.open())
            # A force-push takes the head on record off its branch, and so from every new clone.
            heads = {pull.head for pull in found}
            self._remote.fetch_commits(head for head in heads if not self.repository.has(head))
            return found
        wanted = (pull for pull in self._looks.all() if state is None or pull.state is state)
        return tuple(sorted(wanted, key=lambda pull: pull.number))

    def pull(self, number: int) -> PullRequest:
        """One pull request, as it is at this moment. Raises NoSuchPull."""
        return self._looks.pull(number, self._checks.of)

    def permission(self, author: Author) -> Permission:
        """What `author` may do now, by their number: a name can be given to somebody else."""
        if author.id == self.bot.id:
            return Permission.WRITE
        return permission_of(self._client, author)

    # Opening and pushing

    @refusals()
    def open(self, new: NewPull) -> PullRequest:
        """Create the branch (unless it is at `head` already) and the pull request."""
        with self._writing():
            self._remote.fetch()
            self._looks.check_numbers()
            shown = self._openings.open(new, self._now())
            opened = self._looks.known(shown.number)
            return opened or self._looks.standing(shown.number, fresh=True)[1]

    def push(self, number: int, *, old: str, new: str, author: Author) -> None:  # noqa: ARG002 (it knows)
        """Move the branch of an open pull request from `old` to `new`; GitHub's head follows."""
        with self._writing():
            self._remote.fetch()
            _, pull = self._looks.standing(number, fresh=True)
            require_open(pull)
            require_head(pull, old)
            require_descent(self._looks.is_ancestor, old, new)
            self._remote.push([Move(f"refs/heads/{pull.branch}", new, old)])

    def sync_heads(self) -> tuple[Stray, ...]:
        """Report branches that were deleted or rewritten, and what people closed.

        What was pushed forward needs nothing: it is the head. What people opened in the meantime
        becomes an experiment here, see `bot.forge.github.adoption`.
        """
        self._remote.fetch()
        writes = self._client.calls.writes
        self._adoption.adopt(self._looks.shown(), self._looks.is_experiment)
        if self._client.calls.writes != writes:
            self._memory.forget()  # there are more of them now
        strays = []
        for seen in self._looks.perhaps_open():
            shown, pull = seen.shown, self._looks.fold(seen)
            tip = self._looks.tip(shown)
            closed = shown.state != "open" and shown.merged_at is None
            if pull.state is State.OPEN and (closed or tip != pull.head):
                merged = shown.merged_at is not None
                if not merged:
                    strays.append(Stray(pull.number, pull.head, None if closed else tip))
        return tuple(sorted(strays, key=lambda stray: stray.number))

    # Talking and measuring

    def comment(self, number: int, author: Author, body: str) -> None:
        """Add a comment, in the name of the credential whoever says it. Raises NoSuchPull."""
        check_number(number)
        with self._writing():
            self._comments.say(number, body, relay=not author.is_bot)

    @refusals()
    def review(self, number: int, author: Author, body: str, notes: Sequence[Note]) -> None:
        """Add a comment that also names the lines, then show the notes on them."""
        said = [f"- `{note.path}`, line {note.line}: {note.body}" for note in notes]
        self.comment(number, author, "\n".join([body, *said]).strip("\n") + "\n")
        if notes and author.is_bot:
            seen, _ = self._looks.standing(number, fresh=False)
            self._reviews.show(number, seen.shown.head.sha, notes)

    def react(self, number: int, comment: str, *, obeyed: bool) -> None:  # noqa: ARG002 (ids are unique)
        """Mark a comment as heard by a reaction."""
        self._reviews.react(comment, obeyed=obeyed)

    def addressed(self, word: str) -> tuple[PullRequest, ...]:
        """Experiments that have ended, but where a person has said `word` since."""
        found = []
        for number in self._looks.addressed(word):
            with suppress(NoSuchPull):  # an issue may have the number of an old experiment
                found.append(self.pull(number))
        return tuple(found)

    def reopened(self) -> tuple[PullRequest, ...]:
        """Experiments that have ended and show as open, but for those that are just being ended."""
        return tuple(self._looks.reopened(self._endings.unfinished()))

    def set_labels(self, number: int, labels: frozenset[str]) -> None:
        """Replace the labels of a pull request; the one for its state stays."""
        with self._writing():
            seen, _ = self._looks.standing(number, fresh=False)
            kept = [name for name in seen.shown.names if managed(name)]
            body = {"labels": [*sorted(labels), *kept]}
            answer = self._client.put(f"issues/{number}/labels", body)
            self._memory.labelled(number, [label.name for label in parse_all(Label, answer)])

    @refusals()
    def start(self, number: int, attempt: Attempt) -> None:
        """Write down that `attempt` is asked for, before any of it is run."""
        with self._writing():
            self._measurements.start(number, attempt)

    def record(self, number: int, attempt: str, index: int, result: Mapping[str, Any]) -> None:
        """Keep the result of one planned run, also when it arrives after the verdict."""
        self.record_many(number, attempt, {index: result})

    @refusals()
    def record_many(
        self, number: int, attempt: str, results: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Keep the results of several runs of an attempt, in one comment where they fit.

        Of two bots that write at the same moment the first counts, and neither is told.
        """
        with self._writing():
            self._measurements.record(number, attempt, results)

    def post(self, number: int, check: Check) -> None:
        """Show a completed check on the pull request."""
        self._measurements.post(number, check)

    # Ending

    @refusals()
    def merge(
        self, number: int, *, head: str, base: str, commit: str, verdict: Verdict, comment: str
    ) -> None:
        """Move the base branch from `base` to `commit`; GitHub itself marks it merged."""
        judged = Judgement.of(verdict)
        with self._writing():
            self._verdicts.merge(
                number,
                Merged(at=self._now(), head=head, base=base, commit=commit, verdict=judged),
                comment,
            )

    @refusals()
    def close(
        self, number: int, *, head: str, base: str, commit: str, verdict: Verdict, comment: str
    ) -> None:
        """Close the pull request and move the base branch to its ledger commit, likewise."""
        judged = Judgement.of(verdict)
        with self._writing():
            self._verdicts.close(
                number,
                Closed(at=self._now(), head=head, base=base, commit=commit, verdict=judged),
                comment,
            )

    def advance(self, *, base: str, commit: str) -> None:
        """Move the base branch from `base` to `commit`, which belongs to no pull request."""
        with self._writing():
            self._remote.fetch()
            self._base.move(base, commit, [])

    # How

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Where a write is refused, or may have happened, what was known is known no longer."""
        try:
            yield
        except BaseException:
            self._memory.forget()
            raise

    def _may_write(self, author: Author) -> bool:
        return self.permission(author) is Permission.WRITE

    def _now(self) -> int:
        return int(self._clock())
