"""A watched report of a project whose pull requests are shared: what others do there shows."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.app import open_place
from bot.forge.base import ForgeError, NewPull, Unreachable
from bot.forge.github.auth import TokenCredential
from bot.forge.github.client import GitHubClient
from bot.report.lookout import EVERY_S, MANNERS, Lookout
from bot.report.serve import PageServer, lookout_for, make_server
from tests.bot.lab import git, make_repository
from tests.bot.report.test_serve import get
from tests.github.faults import primary_limit
from tests.github.server import running
from tests.github.setting import BOT_ID, BOT_LOGIN, BOT_TOKEN, new_github
from tests.github.state import GitHub


@dataclass
class Sky:
    """Something to look at that answers as it is told; the time that passes is made up."""

    answers: list[str | Exception]
    now: float = 0.0
    told: list[str] = field(default_factory=list)

    def look(self) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def lookout(self) -> Lookout:
        return Lookout("GitHub", self.look, self.told.append, lambda: self.now)

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.now += seconds
        return not self.answers

    waited: list[float] = field(default_factory=list)


def test_it_looks_once_a_minute() -> None:
    sky = Sky(["a", "a", "b"])
    lookout = sky.lookout()
    assert lookout.told == "GitHub was not looked at yet."
    lookout.run(sky.wait)
    assert sky.waited == [EVERY_S] * 3 and lookout.mark == "b" and sky.told == []
    assert lookout.told == "GitHub was last looked at 00:02:00 UTC."


def test_it_looks_more_seldom_while_that_fails_and_says_so() -> None:
    away = Unreachable("GitHub could not be reached.")
    sky = Sky(["a", *[away] * 9, "a", "a"])
    lookout = sky.lookout()
    for _ in range(10):
        sky.wait(lookout.once())
    assert sky.waited == [60, 60, 60, 60, 60, 80, 160, 320, 600, 600]
    assert lookout.mark == "a", "what was seen before stays"
    assert lookout.told == (
        "GitHub was last looked at 00:00:00 UTC. "
        "GitHub: GitHub could not be reached. Looking again at 00:34:20 UTC."
    )
    assert lookout.once() == EVERY_S
    assert sky.told[-1] == "GitHub can be looked at again."
    assert lookout.told == "GitHub was last looked at 00:34:20 UTC."


def test_it_waits_as_long_as_it_is_asked_to() -> None:
    sky = Sky([Unreachable("Too much was asked.", retry_after_s=1_800.0), ForgeError("No access.")])
    assert sky.lookout().once() == 1_800


@dataclass
class Shared:
    """A project on the model of GitHub: this clone, and that of a bot elsewhere."""

    github: GitHub
    address: str
    here: Path
    elsewhere: Path


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    here, elsewhere, bare = (tmp_path / name for name in ("here", "elsewhere", "github.git"))
    make_repository(here)
    shutil.copytree(here / ".git", bare)
    git(bare, "config", "core.bare", "true")
    git(bare, "config", "http.receivepack", "true")
    monkeypatch.setenv("GITHUB_TOKEN", BOT_TOKEN)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name in ("GITHUB_ACTIONS", "GH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    github = new_github(bare)
    with running(github) as address:
        (here / "bot.toml").write_text(
            f'[forge]\nkind = "github"\nrepository = "{github.full_name}"\n'
            f'api_url = "{address}"\naccount = "{BOT_LOGIN}"\naccount_id = {BOT_ID}\n'
            'adopt = "files"\n'
        )
        git(here, "add", "bot.toml")
        git(here, "commit", "-q", "-m", "On GitHub")
        git(here, "push", "-q", str(bare), "main")
        shutil.copytree(here, elsewhere)
        yield Shared(github, address, here, elsewhere)


@dataclass
class Served:
    """The watched report of the clone here."""

    server: PageServer
    lookout: Lookout
    told: list[str]

    def news(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(get(self.server, "version")[1])
        return found

    def page(self) -> str:
        status, text = get(self.server)
        assert status == 200
        return text


@pytest.fixture
def served(shared: Shared) -> Iterator[Served]:
    place = open_place(shared.here, replace(MANNERS, look_holds_s=0.0))
    told: list[str] = []
    lookout = lookout_for(place, told.append)
    assert lookout is not None
    with make_server(place, 0, lookout) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Served(server, lookout, told)
        server.shutdown()
        thread.join()


def propose_elsewhere(shared: Shared) -> None:
    place = open_place(shared.elsewhere)
    file = shared.elsewhere / "train.py"
    git(shared.elsewhere, "checkout", "-q", "-b", "exp/raise-it")
    file.write_text(file.read_text().replace("RATE = 1.0", "RATE = 2.0"))
    git(shared.elsewhere, "commit", "-q", "-a", "-m", "Raise the rate")
    head = git(shared.elsewhere, "rev-parse", "HEAD").strip()
    git(shared.elsewhere, "checkout", "-q", "main")
    place.forge.open(NewPull("exp/raise-it", head, "Raise the rate", "", place.forge.bot, {}))


def test_what_a_step_does_on_github_shows_by_itself(shared: Shared, served: Served) -> None:
    served.lookout.once()
    before = served.news()
    assert "Open now" not in served.page()
    served.lookout.once()
    assert served.news()["version"] == before["version"], "nothing happened"
    propose_elsewhere(shared)
    served.lookout.once()
    assert served.news()["version"] != before["version"]
    assert "Raise the rate" in served.page().split("Open now")[1]
    git(shared.elsewhere, "commit", "-q", "--allow-empty", "-m", "Somebody's own commit")
    git(shared.elsewhere, "push", "-q", str(shared.github.repository.path), "main")
    open_one = served.news()["version"]
    served.lookout.once()
    assert served.news()["version"] != open_one
    assert git(shared.elsewhere, "rev-parse", "HEAD")[:12] in served.page()
    assert served.told == []


def pull_of_a_person(shared: Shared, title: str) -> None:
    """What somebody opens on GitHub, without a label."""
    file, bare = shared.elsewhere / "train.py", shared.github.repository.path
    git(shared.elsewhere, "checkout", "-q", "-b", "idea")
    file.write_text(file.read_text().replace("RATE = 1.0", "RATE = 5.0"))
    git(shared.elsewhere, "commit", "-q", "-a", "-m", title)
    git(shared.elsewhere, "push", "-q", str(bare), "idea")
    git(shared.elsewhere, "checkout", "-q", "main")
    with shared.github.lock:
        shared.github.observe()
    grace = TokenCredential("grace-token")
    client = GitHubClient(shared.github.full_name, grace, shared.address)
    client.post("pulls", {"title": title, "head": "idea", "base": "main"})


def test_watching_changes_nothing_on_github(shared: Shared, served: Served) -> None:
    pull_of_a_person(shared, "An idea of a person")
    seen = len(shared.github.calls)
    served.lookout.once()
    assert "An idea of a person" not in served.page()
    assert {call.method for call in shared.github.calls[seen:]} == {"GET"}
    open_place(shared.elsewhere).forge.sync_heads()  # as a step does
    served.lookout.once()
    assert "An idea of a person" in served.page().split("Open now")[1]


def test_a_look_where_nothing_happened_costs_nothing_of_the_limit(
    shared: Shared, served: Served
) -> None:
    propose_elsewhere(shared)
    served.lookout.once()
    served.lookout.once()
    seen = len(shared.github.calls)
    served.lookout.once()
    made = shared.github.calls[seen:]
    assert 0 < len(made) <= 5
    assert all(call.status == 304 for call in made), made


def test_a_limit_is_kept_the_page_stays_and_says_so(shared: Shared, served: Served) -> None:
    served.lookout.once()
    page, version = served.page(), served.news()["version"]
    reset = int(served.lookout.clock()) + 1_800
    shared.github.faults.append(primary_limit("GET .*", reset, times=1_000))
    assert 1_700 < served.lookout.once() <= 1_810
    told = served.news()
    assert told["version"] == version and served.page() == page
    assert "GitHub was last looked at" in told["looked"] and "Looking again at" in told["looked"]
    assert len(served.told) == 1 and "patience" in served.told[0]
    git(shared.here, "branch", "something-happened-here")
    seen = len(shared.github.calls)
    for _ in range(3):
        assert served.news()["version"] == version and served.page() == page
    assert shared.github.calls[seen:] == [], "a browser must not ask in the lookout's place"
    shared.github.faults.clear()
    assert served.lookout.once() == EVERY_S
    assert served.told[-1] == "GitHub can be looked at again."
    assert served.news()["version"] != version
