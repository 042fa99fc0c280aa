"""A history's place on the model of GitHub: steps as workflows, a lab's own machine, and people.

The forge is the production one, with its own client; the model answers within this process
(`wire`). The bot "steps" works in a new clone each time and has GitHub Actions measure, as
`step.yml` does; the bot "lab" has a clone of its own and measures by itself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from bench.simulation import project
from bench.simulation.books import Books, Process
from bench.simulation.bots import Bot, WorkflowBot
from bench.simulation.invariants import check_costs, demand, opened_once
from bench.simulation.machines import Machines
from bench.simulation.people import Listed, People
from bench.simulation.quick import QuickGit, Store, quick_ledger
from bench.simulation.quick.bare import QuickBare
from bench.simulation.shaky import ShakyForge, ShakyGit, repository_on
from bench.simulation.surroundings import Thinker
from bench.simulation.wire import ROOT, Wire
from bench.simulation.world import Clock, World
from bot.forge.base import ForgeError, State
from bot.forge.github.auth import TokenCredential
from bot.forge.github.client import GitHubClient
from bot.forge.github.forge import GitHubForge
from bot.forge.github.remote import Remote
from bot.forge.github.states import managed
from bot.git import Repository
from bot.git.process import Git
from bot.git.refs import refs_below
from bot.history import ledger, spending
from bot.model import Verdict
from bot.proposing import kept
from bot.proposing.place import Place
from bot.run.scheduler import Outcome
from bot.run.terms import Terms
from bot.settings import parse
from bot.workflows import measurer
from tests.github.application import Application, Response
from tests.github.setting import BOT_ID, BOT_LOGIN, BOT_TOKEN, populate
from tests.github.state import GitHub

_STEPS, _LAB = "steps", "lab"
_WRITER, _READER = "grace-token", "rita-token"
_JOURNALS = ("refs/forge/opening/", "refs/forge/ending/")
_EVERY = 5  # of so many comments one is by somebody who may only read


class TimedGitHub(GitHub):
    """The model on the history's clock."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        super().__init__(path)

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return int(self._clock.seconds)

    @now.setter
    def now(self, value: int) -> None:
        self._clock.seconds = max(self._clock.seconds, value)


class OnGitHub:
    """`bench.simulation.scene.Scene` on the model of GitHub."""

    def __init__(
        self, seed: int, folder: Path, world: World, *, quick: bool, wrote: Callable[[], None]
    ) -> None:
        self.world = world
        self._folder = folder
        self._quick = quick
        self._wrote = wrote
        self._stores: dict[Path, Store] = {}
        self._clones = 0
        self._settings = parse(project.SETTINGS.encode())
        self._server = folder / "github.git"
        self.github = populate(TimedGitHub(self._server, world.clock))
        home = self._home = self._make_home()
        self._application = Application(self.github)
        self._machines = Machines(self.github, home, world)
        self.github.on_dispatch = self._machines.take
        desk = GitHubDesk(home, self._application)
        self.people = People(desk, Random(f"people {seed}"), world.clock.now)
        self.place, _ = self._enter(Process("nobody"), self._clone(), sure=True)
        ideas = Random(f"ideas {seed}")
        lab = self._lab = self._clone()
        self.bots: Mapping[str, Bot | WorkflowBot] = {
            _STEPS: WorkflowBot(
                _STEPS,
                lambda process: self._enter(process, self._clone()),
                world,
                Thinker(world, ideas.randint(1, 3)),
                lambda _: spending.noted(home),
            ),
            _LAB: Bot(
                _LAB,
                lambda process: self._enter(process, lab)[0],
                world,
                Thinker(world, ideas.randint(0, 2)),
            ),
        }

    @contextmanager
    def quickly(self) -> Iterator[None]:
        """Reads ledgers from memory, where git is answered from there, and the runner's own files,
        which do not change meanwhile, once for all processes."""
        if not self._quick:
            yield
            return
        known = patch.object(measurer, "harness_digest", return_value=project.HARNESS)
        with known, quick_ledger(self._stores):
            yield

    def run(self, name: str, terms: Terms, slots: int) -> Outcome:
        """Let a bot run once."""
        return self.bots[name].run(terms, slots)

    def base(self) -> str:
        """Where the base branch is."""
        return self.github.repository.refs()["refs/heads/main"]

    def state(self) -> str:
        """Everything that a bot could change."""
        github = self.github
        github.observe()
        pulls = [(p.number, p.state, p.labels) for p in github.pulls.values()]
        counts = [len(github.comments), len(github.checks), len(github.runs)]
        return repr([sorted(github.repository.refs().items()), pulls, counts])

    def check(self, books: Books) -> None:
        """GitHub's own state is that of the record, and no journal is left.

        All calls are noted there, and each answer is one experiment at most.
        """
        opened_once(self.place.forge.pulls())
        check_costs(spending.noted(self._home), books)
        kept_there = sorted(refs_below(self._lab, kept.PREFIX))
        demand(kept_there == [], f"complete proposals that nobody opened: {kept_there}")
        github = self.github
        github.observe()
        left = [name for name in github.repository.refs() if name.startswith(_JOURNALS)]
        demand(not left, f"journals are left: {left}")
        for pull in self.place.forge.pulls():
            shown = github.pulls[pull.number]
            demand(
                (pull.state is State.OPEN) == (shown.state == "open"), f"{shown} is {pull.state}"
            )
            states = [name for name in shown.labels if managed(name)]
            wanted = [f"experiment: {pull.state}"]
            demand(pull.state is State.OPEN or states == wanted, f"#{pull.number} has {states}")

    def pass_time(self) -> None:
        """Workflows end."""
        self._machines.advance()

    # How

    def _make_home(self) -> Repository:
        """The bare repository on GitHub; its people work there as if they had pushed."""
        project.make(self._folder / "template")
        shutil.move(self._folder / "template" / ".git", self._server)
        shutil.rmtree(self._folder / "template")
        plain = Git(self._server)
        plain.run("config", "core.bare", "true")
        plain.run("config", "uploadpack.allowAnySHA1InWant", "true")  # as GitHub allows it
        if not self._quick:
            return repository_on(plain)
        git = QuickGit(self._server, Store(self._server))
        self._stores[self._server] = git.store
        self.github.repository = QuickBare(self._server, git)
        return repository_on(git)

    def _clone(self) -> Git:
        """A new clone with the base branch, and nothing checked out."""
        self._clones += 1
        folder = self._folder / f"clone-{self._clones}"
        project.make(folder)
        git: Git = Git(folder)
        if self._quick:
            store = Store(folder / ".git")
            self._stores[folder] = store
            git = QuickGit(folder, store, {str(self._server): self._stores[self._server]})
        git.run("fetch", "--quiet", str(self._server), "+refs/heads/*:refs/remotes/origin/*")
        main = git.text("rev-parse", "--verify", "refs/remotes/origin/main")
        git.run("update-ref", "--stdin", stdin=f"update refs/heads/main {main}\n".encode())
        return git

    def _enter(
        self, process: Process, git: Git, *, sure: bool = False
    ) -> tuple[Place, GitHubClient]:
        """How a new process sees a clone and GitHub."""
        world = self.world

        def misled() -> None:
            process.misled = True

        clock = world.clock
        client = GitHubClient(
            self.github.full_name,
            TokenCredential(BOT_TOKEN),
            ROOT,
            between_writes_s=0,
            sleep=clock.sleep,
            clock=lambda: clock.seconds,
        )
        wire = Wire(self._application, BOT_TOKEN, None if sure else world.faults, misled)
        # In place of PyGithub's own, of which it has the two methods that are called.
        client._transport.requester = _Told(wire, self._machines, process)  # type: ignore[assignment]
        repository = repository_on(
            git if sure else ShakyGit(git, world.faults, lambda: world.between(process.name))
        )

        def settled() -> dict[int, Verdict]:
            entries = ledger.read(repository.path, "main")
            return {each.number: Verdict(each.reason, each.explanation) for each in entries}

        forge: Any = GitHubForge(
            repository,
            client,
            Remote(repository, str(self._server), None),
            "main",
            account=BOT_LOGIN,
            account_id=BOT_ID,
            verdicts=settled,
            clock=clock.now,
            sleep=clock.sleep,
        )
        if not sure:
            forge = ShakyForge(forge, world, process, self._wrote)
        return Place(repository, forge, self._settings), client


class _Told:
    """Tells the machines whose call it is that dispatches."""

    def __init__(self, wire: Wire, machines: Machines, process: Process) -> None:
        self._wire = wire
        self._machines = machines
        self._process = process
        self.getStream = wire.getStream

    def requestJson(  # noqa: N802 (PyGithub's name)
        self, *arguments: Any, **named: Any
    ) -> tuple[int, dict[str, str], str]:
        """One call."""
        self._machines.dispatching = self._process
        return self._wire.requestJson(*arguments, **named)


class GitHubDesk:
    """GitHub's pages in a browser (`bench.simulation.people.Desk`)."""

    def __init__(self, repository: Repository, application: Application) -> None:
        self.repository = repository
        self._application = application
        self._said = 0

    def pulls(self, *, ended: bool = False) -> Sequence[Listed]:
        """The open ones, or all."""
        return list(self._listed(ended=ended))

    def _listed(self, *, ended: bool) -> Iterator[Listed]:
        github = self._application.github
        github.observe()
        for pull in github.pulls.values():
            if ended or pull.state == "open":
                yield Listed(pull.number, pull.branch)

    def comment(self, number: int, body: str) -> None:
        """Say something; sometimes it is somebody who may not command."""
        self._said += 1
        token = _READER if self._said % _EVERY == 0 else _WRITER
        self._call("POST", f"issues/{number}/comments", {"body": body}, token)

    def open(self, branch: str, title: str) -> int:
        """Open a pull request, and make it an experiment."""
        body = {"title": title, "head": branch, "base": "main"}
        number = int(self._call("POST", "pulls", body)["number"])
        self._call("POST", f"issues/{number}/labels", {"labels": ["experiment"]})
        return number

    def close(self, number: int) -> None:
        """The button."""
        self._call("PATCH", f"pulls/{number}", {"state": "closed"})

    def _call(self, verb: str, path: str, body: dict[str, Any], token: str = _WRITER) -> Any:
        github = self._application.github
        headers = {"authorization": f"token {token}"}
        target = f"/repos/{github.full_name}/{path}"
        data = json.dumps(body).encode()
        made = self._application.answer(verb, target, headers, data, ROOT)
        assert isinstance(made, Response)
        if made.status >= 400:
            raise ForgeError(made.body.decode())
        return json.loads(made.body)
