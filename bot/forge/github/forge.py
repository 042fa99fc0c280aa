"""The forge on GitHub: `bot.forge.base.Forge` by its API, and by git what must be one step.

GitHub's own state of a pull request is what people see and what they ask for; what counts is
the bot's record, its own comments folded event by event, and the ledger. A base branch moves
only by a push that names where it must be. See `bot.forge.github.ending` for what is left when
the bot is ended between a push and the calls that follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.forge.base import (
    Attempt,
    Audit,
    Author,
    Check,
    Conflict,
    ForgeError,
    NewPull,
    NoSuchPull,
    Note,
    Permission,
    PullRequest,
    State,
    Stray,
)
from bot.forge.events import Attempted, Closed, Event, Judgement, Measured, Merged, Plan
from bot.forge.fold import apply
from bot.forge.git.chains import refusals
from bot.forge.github.account import whoami
from bot.forge.github.adoption import Adoption
from bot.forge.github.answers import Access, CheckRun, IssueComment, Pull, parse, parse_all
from bot.forge.github.audits import RemoteAudits
from bot.forge.github.base_branch import BaseBranch
from bot.forge.github.checks import Checks
from bot.forge.github.client import GitHubClient
from bot.forge.github.ending import Journal
from bot.forge.github.endings import Endings
from bot.forge.github.errors import NotFound
from bot.forge.github.opening import Openings
from bot.forge.github.reading import Reader, apps_of, is_first
from bot.forge.github.remote import Move, Remote
from bot.forge.github.reviews import Reviews
from bot.forge.github.states import MEASURING, WANTED, managed, with_state
from bot.forge.github.writing import Comments
from bot.git import Identity, Repository
from bot.git.refs import refs_below
from bot.model import Verdict

_LARGEST_NUMBER = 2**31
_MOST_ADDRESSED = 10  # ended experiments with something to say that are read in one look
_PERMISSIONS = {"admin": Permission.WRITE, "write": Permission.WRITE, "read": Permission.READ}


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
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`verdicts` are those in the ledger, by number of the pull request.

        A pull request of a person that changes nothing but `adopted_paths` becomes an experiment;
        without any, only those do that somebody labels.
        """
        user = whoami(client, account, account_id)
        self.repository = repository
        self.base_branch = base_branch
        self.bot = Author(user.login, str(user.id), is_bot=True)
        self._client = client
        self._remote = remote
        self._clock = clock
        self._comments = Comments(client, user.id)
        self._checks = Checks(client)
        self._reviews = Reviews(client, self.bot)
        self._adoption = Adoption(client, adopted_paths, self._may_write)
        self._base = BaseBranch(repository, remote, base_branch)
        self._reader = Reader(self.bot, self._tip, self._holds, verdicts)
        author = Identity(self.bot.name, f"{self.bot.id}+{self.bot.name}@users.noreply.github.com")
        journal = Journal(repository, remote, author)
        self._openings = Openings(client, remote, self._comments, journal, base_branch)
        self._endings = Endings(client, self._base, self._comments, journal, sleep)
        self._seen: dict[int, Pull] = {}  # since the last snapshot, for questions before a write
        self._waiting: tuple[Sequence[Pull], tuple[int, ...]] | None = None
        self._audits = RemoteAudits(repository, client, remote, Author(author.name, author.email))

    # Reading

    def recover(self) -> None:
        """Finish what a crash left half done: openings and endings in the journal."""
        self._base.recover()
        self._remote.fetch()
        self._finish()
        self._base.follow()

    def base(self) -> str:
        """The commit that the base branch points to on GitHub; the clone's own follows it."""
        self._seen.clear()
        self._remote.fetch()
        return self._base.follow()

    def pulls(self, state: State | None = None) -> tuple[PullRequest, ...]:
        """Experiments in order of their numbers; all of them, or those in one state.

        For the open ones only what may be open is read. Checks are left out; `pull` has them.
        """
        if state is State.OPEN:
            shown = self._perhaps_open()
            comments = {each.number: self._comments.of(each.number) for each in shown}
        else:
            shown = self._listed(state="all", sort="created", direction="asc")
            comments = self._comments.all()
        shown = [each for each in shown if self._is_experiment(each)]
        self._fetch_for(shown)
        found = [self._reader.pull(each, comments.get(each.number, [])) for each in shown]
        if state is State.OPEN:
            found = [self._reviewed(each, pull) for each, pull in zip(shown, found, strict=True)]
        wanted = (pull for pull in found if state is None or pull.state is state)
        return tuple(sorted(wanted, key=lambda pull: pull.number))

    def pull(self, number: int) -> PullRequest:
        """One pull request. Raises NoSuchPull."""
        shown, comments = self._read(number)
        pull = self._reader.pull(shown, comments)
        runs: list[CheckRun] = self._checks.of(pull.head)
        return self._reviewed(shown, self._reader.pull(shown, comments, runs))

    def permission(self, author: Author) -> Permission:
        """What `author` may do now, by their number: a name can be given to somebody else."""
        if author.id == self.bot.id:
            return Permission.WRITE
        if not author.id.isdecimal():
            return Permission.NONE
        try:
            answer = self._client.get(f"collaborators/{_part(author.name)}/permission")
        except NotFound:
            return Permission.NONE
        access = parse(Access, answer)
        if str(access.user.id) != author.id:
            return Permission.NONE
        return _PERMISSIONS.get(access.permission, Permission.NONE)

    # Opening and pushing

    @refusals()
    def open(self, new: NewPull) -> PullRequest:
        """Create the branch (unless it is at `head` already) and the pull request."""
        self._remote.fetch()
        shown = self._openings.open(new, self._now())
        return self._reader.pull(shown, self._comments.of(shown.number))

    def push(self, number: int, *, old: str, new: str, author: Author) -> None:  # noqa: ARG002
        """Move the branch of an open pull request from `old` to `new`; GitHub's head follows."""
        self._remote.fetch()
        pull = self._open_pull(number)
        if pull.head != old:
            raise Conflict(f"The head of #{number} is {pull.head}, expected {old}.")
        self._must_contain(old, new)
        self._remote.push([Move(f"refs/heads/{pull.branch}", new, old)])

    def sync_heads(self) -> tuple[Stray, ...]:
        """Report branches that were deleted or rewritten, and what people closed.

        What was pushed forward needs nothing: it is the head. What people opened in the meantime
        becomes an experiment here, see `bot.forge.github.adoption`.
        """
        self._remote.fetch()
        strays = []
        perhaps_open = self._perhaps_open()
        self._adoption.adopt(perhaps_open, self._is_experiment)
        for shown in perhaps_open:
            if not self._is_experiment(shown):
                continue
            pull = self._reader.pull(shown, self._comments.of(shown.number))
            tip = self._tip(shown)
            closed = shown.state != "open" and shown.merged_at is None
            if pull.state is State.OPEN and (closed or tip != pull.head):
                merged = shown.merged_at is not None
                if not merged:
                    strays.append(Stray(pull.number, pull.head, None if closed else tip))
        return tuple(sorted(strays, key=lambda stray: stray.number))

    # Talking and measuring

    def comment(self, number: int, author: Author, body: str) -> None:
        """Add a comment, in the name of the credential whoever says it. Raises NoSuchPull."""
        self._check_number(number)
        self._comments.say(number, body, relay=not author.is_bot)

    @refusals()
    def review(self, number: int, author: Author, body: str, notes: Sequence[Note]) -> None:
        """Add a comment that also names the lines, then show the notes on them."""
        said = [f"- `{note.path}`, line {note.line}: {note.body}" for note in notes]
        self.comment(number, author, "\n".join([body, *said]).strip("\n") + "\n")
        if notes and author.is_bot:
            self._reviews.show(number, self._shown(number).head.sha, notes)

    def react(self, number: int, comment: str, *, obeyed: bool) -> None:  # noqa: ARG002
        """Mark a comment as heard by a reaction."""
        self._reviews.react(comment, obeyed=obeyed)

    def addressed(self, word: str) -> tuple[PullRequest, ...]:
        """Experiments that have ended, but where a person has said `word` since."""
        lately = self._ended()
        if self._waiting is None or self._waiting[0] != lately:  # a comment shows in that list
            ended = self._reader.verdicts()
            said = self._reviews.addressed(word)
            waiting = tuple(number for number in said if number in ended)[:_MOST_ADDRESSED]
            self._waiting = (lately, waiting)
        return tuple(self.pull(number) for number in self._waiting[1])

    def reopened(self) -> tuple[PullRequest, ...]:
        """Experiments that have ended and show as open, but for those that are just being ended."""
        verdicts, ending = self._reader.verdicts(), self._endings.unfinished()
        perhaps = sorted(
            number
            for number, shown in self._seen.items()
            if shown.state == "open" and number in verdicts and number not in ending
        )
        found = [self._read(number) for number in perhaps[:_MOST_ADDRESSED]]
        return tuple(
            self._reader.pull(shown, said) for shown, said in found if shown.state == "open"
        )

    def set_labels(self, number: int, labels: frozenset[str]) -> None:
        """Replace the labels of a pull request; the one for its state stays."""
        self._seen.pop(number, None)
        shown = self._shown(number)
        kept = [name for name in shown.names if managed(name)]
        self._client.put(f"issues/{number}/labels", {"labels": [*sorted(labels), *kept]})

    @refusals()
    def start(self, number: int, attempt: Attempt) -> None:
        """Write down that `attempt` is asked for, before any of it is run."""
        shown, comments = self._read(number, fresh=False)
        pull = self._reader.pull(shown, comments)
        if pull.state is not State.OPEN or pull.head != attempt.head:
            raise Conflict(f"#{number} is {pull.state} at {pull.head}, not at {attempt.head}.")
        if any(other.id == attempt.id for other in pull.attempts):
            raise Conflict(f"#{number} has an attempt {attempt.id!r} already.")
        event = Attempted(
            at=self._now(),
            id=attempt.id,
            base=attempt.base,
            head=attempt.head,
            merge_tree=attempt.merge_tree,
            runs=tuple(Plan.of(run) for run in attempt.runs),
        )
        self._check_trees(attempt)
        self._keep(pull, f"Attempt {attempt.id}: {len(attempt.runs)} runs are asked for.", event)
        if MEASURING not in shown.names:
            labels = with_state(shown.names, MEASURING)
            self._client.put(f"issues/{number}/labels", {"labels": labels})
            self._seen.pop(number, None)

    def record(self, number: int, attempt: str, index: int, result: Mapping[str, Any]) -> None:
        """Keep the result of one planned run, also when it arrives after the verdict."""
        self.record_many(number, attempt, {index: result})

    @refusals()
    def record_many(
        self, number: int, attempt: str, results: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Keep the results of several runs of an attempt, in one comment where they fit."""
        pull = self._reader.pull(*self._read(number, fresh=False))
        for known in pull.attempts:
            if known.id == attempt and (taken := sorted(set(results) & set(known.results))):
                raise Conflict(f"Run {taken[0]} of {attempt!r} in #{number} has its result.")
        events = [
            Measured(at=self._now(), attempt=attempt, index=index, result=dict(result))
            for index, result in sorted(results.items())
        ]
        runs = ", ".join(str(event.index + 1) for event in events)
        if events:
            self._keep(pull, f"Attempt {attempt}: measured run {runs}.", *events)

    def post(self, number: int, check: Check) -> None:
        """Show a completed check on the pull request."""
        _, comments = self._read(number, fresh=False)
        self._checks.post(check, apps_of(comments, int(self.bot.id)))

    # Ending

    @refusals()
    def merge(
        self, number: int, *, head: str, base: str, commit: str, verdict: Verdict, comment: str
    ) -> None:
        """Move the base branch from `base` to `commit`; GitHub itself marks it merged."""
        shown, pull = self._ready_to_end(number)
        if pull.head != head:
            raise Conflict(f"The head of #{number} is {pull.head}, expected {head}.")
        tip = self._tip(shown)
        # What the base branch has already is merged, wherever its branch went afterwards.
        moved = tip not in {None, head}
        if moved and not self.repository.is_ancestor(head, base):
            raise Conflict(f"Branch {pull.branch} is at {tip}, but {head} was to be merged.")
        self._must_contain(head, commit)
        judged = Judgement.of(verdict)
        event = Merged(at=self._now(), head=head, base=base, commit=commit, verdict=judged)
        apply(pull, "", event)
        branch = None if tip is None or moved or self._is_fork(shown) else pull.branch
        self._endings.end(shown, event, comment, branch)

    @refusals()
    def close(self, number: int, *, base: str, commit: str, verdict: Verdict, comment: str) -> None:
        """Close the pull request and move the base branch to its ledger commit, likewise."""
        shown, pull = self._ready_to_end(number)
        judged = Judgement.of(verdict)
        event = Closed(at=self._now(), base=base, commit=commit, verdict=judged)
        apply(pull, "", event)
        self._endings.end(shown, event, comment, None)

    def advance(self, *, base: str, commit: str) -> None:
        """Move the base branch from `base` to `commit`, which belongs to no pull request."""
        self._remote.fetch()
        self._base.move(base, commit, [])

    def elsewhere(self, ref: str) -> str | None:
        """Where GitHub has a ref of the bot's own; it is fetched now."""
        return self._remote.look_up(ref)

    def own_refs(self, prefix: str) -> Mapping[str, str]:
        """The bot's own refs below `prefix`, here and on GitHub when it was fetched."""
        return {**self._remote.own(prefix), **refs_below(self.repository.git, prefix)}

    def publish(self, ref: str, *, old: str | None, new: str | None) -> None:
        """Move it on GitHub. Raises Conflict when it is somewhere else."""
        self._remote.push([Move(ref, new, old)])

    # Audits

    def audit_numbers(self) -> tuple[int, ...]:
        """The numbers of all audits, in order."""
        return self._audits.numbers()

    def audits(self, numbers: Collection[int] | None = None) -> tuple[Audit, ...]:
        """Audits in order of their numbers; all of them, or those with `numbers`."""
        return self._audits.read(numbers)

    @refusals()
    def begin_audit(self, audit: Audit) -> None:
        """Write down an audit before any of it is run."""
        self._audits.begin(audit, self._now())

    @refusals()
    def record_audit(self, number: int, index: int, result: Mapping[str, Any]) -> None:
        """Keep the result of one planned run of an audit."""
        self._audits.record(number, index, result, self._now())

    # How

    def _finish(self) -> None:
        self._openings.finish()
        self._endings.finish_all()

    def _ready_to_end(self, number: int) -> tuple[Pull, PullRequest]:
        self._check_number(number)
        self._seen.pop(number, None)
        self._base.recover()
        self._remote.fetch()
        self._endings.finish_all()
        self._base.follow()
        shown, comments = self._read(number)
        pull = self._reader.pull(shown, comments)
        if pull.state is not State.OPEN:
            raise Conflict(f"#{number} is {pull.state} already.")
        return shown, pull

    def _open_pull(self, number: int) -> PullRequest:
        pull = self._reader.pull(*self._read(number))
        if pull.state is not State.OPEN:
            raise Conflict(f"#{number} is {pull.state} already.")
        return pull

    def _keep(self, pull: PullRequest, text: str, *events: Event) -> None:
        """Write events, and see that nobody was faster: the first ones count.

        Raises FoldError when they cannot follow, Conflict when another bot wrote the same.
        """
        after = pull
        for event in events:
            after = apply(after, "", event)
        key = self._comments.keep(pull.number, text, *events)
        if not is_first(self._comments.of(pull.number), int(self.bot.id), key):
            raise Conflict(f"Another bot wrote the same about #{pull.number} first.")

    def _reviewed(self, shown: Pull, pull: PullRequest) -> PullRequest:
        """The pull request with what reviews say of it; a person's, with who approved it."""
        by_bot = str(shown.user.id) == self.bot.id
        reviews = self._reviews.of(pull.number)
        said = [*self._reviews.lines(pull.number), *self._reviews.summaries(reviews)]
        comments = sorted([*pull.comments, *said], key=lambda each: each.created_at)
        return replace(
            pull,
            comments=tuple(comments),
            fork=self._is_fork(shown),
            approvals=() if by_bot else self._reviews.approvals(reviews),
        )

    def _shown(self, number: int, *, fresh: bool = True) -> Pull:
        """One pull request of GitHub's; not `fresh`: as the last snapshot saw it."""
        self._check_number(number)
        if not fresh and number in self._seen:
            return self._seen[number]
        try:
            shown = parse(Pull, self._client.get(f"pulls/{number}"))
        except NotFound:
            raise NoSuchPull(f"There is no pull request #{number} on GitHub.") from None
        if shown.base.ref != self.base_branch:
            raise NoSuchPull(f"#{number} goes into {shown.base.ref}, not {self.base_branch}.")
        return shown

    def _read(self, number: int, *, fresh: bool = True) -> tuple[Pull, list[IssueComment]]:
        shown = self._shown(number, fresh=fresh)
        self._fetch_for([shown])
        return shown, self._comments.of(number)

    def _listed(self, **query: str) -> list[Pull]:
        return parse_all(Pull, self._client.list("pulls", base=self.base_branch, **query))

    def _perhaps_open(self) -> list[Pull]:
        """Those that GitHub shows open, and those that a person ended before the bot said so.

        Of the ended ones the latest page is enough: each is settled at the next step.
        """
        verdicts = self._reader.verdicts()
        shown = {each.number: each for each in self._ended() if each.number not in verdicts}
        shown |= {each.number: each for each in self._listed(state="open")}
        self._seen = shown
        return [shown[number] for number in sorted(shown)]

    def _ended(self) -> list[Pull]:
        """Those that ended, on GitHub, the latest page by what happened to them last."""
        latest = self._client.get(
            "pulls",
            base=self.base_branch,
            state="closed",
            sort="updated",
            direction="desc",
            per_page=100,
        )
        return parse_all(Pull, latest if isinstance(latest, list) else [])

    def _is_experiment(self, shown: Pull) -> bool:
        """Opened by the bot, or made one by a label, which only people of the repository set.

        What somebody closed again before the bot did anything with it was none.
        """
        if str(shown.user.id) == self.bot.id or any(managed(name) for name in shown.names):
            return True
        over = shown.state != "open" and shown.merged_at is None
        return WANTED in shown.names and not over

    def _may_write(self, author: Author) -> bool:
        return self.permission(author) is Permission.WRITE

    def _is_fork(self, shown: Pull) -> bool:
        home = shown.head.repo
        return home is None or home.full_name.lower() != self._client.repository.lower()

    def _tip(self, shown: Pull) -> str | None:
        if self._is_fork(shown):
            return shown.head.sha
        return self._remote.branch(shown.head.ref)

    def _fetch_for(self, shown: list[Pull]) -> None:
        """Fetch what these speak of and the clone lacks."""
        heads = [each for each in shown if self.repository.resolve(each.head.sha) is None]
        if heads:
            self._remote.fetch(*(f"+refs/pull/{each.number}/head" for each in heads))

    def _holds(self, new: str, old: str) -> bool:
        known = all(self.repository.resolve(commit) for commit in (new, old))
        return known and self.repository.is_ancestor(old, new)

    def _must_contain(self, old: str, new: str) -> None:
        if old != new and not self._holds(new, old):
            raise ForgeError(f"{new} does not contain {old}; branches only move forward.")

    def _check_trees(self, attempt: Attempt) -> None:
        """Raise ForgeError when the clone lacks a tree that is to be measured."""
        for tree in {attempt.merge_tree, *(run.tree for run in attempt.runs)}:
            git = self.repository.git
            if git.run("cat-file", "-e", f"{tree}^{{tree}}", accepted=(0, 1, 128)).code:
                raise ForgeError(f"This cannot be kept: there is no tree {tree}.")

    def _check_number(self, number: int) -> None:
        if not 0 < number < _LARGEST_NUMBER:
            raise NoSuchPull(f"There is no pull request #{number} on GitHub.")

    def _now(self) -> int:
        return int(self._clock())


def _part(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")
