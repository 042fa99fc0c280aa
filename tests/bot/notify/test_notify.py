from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import RunnerFailed, SettingsError, Stopped
from bot.forge.base import Author
from bot.history.spending import CapReached
from bot.notify.notice import NOTICE_KEYS, Notice
from bot.notify.send import WEBHOOK, send, tell_of, watching
from bot.notify.tables import Event, NotifyTable, fault_of
from bot.run.base import StopAsked
from bot.run.scheduler import Scheduler
from bot.run.terms import Terms
from bot.settings import parse
from tests.bot.lab import Lab, ListProposer
from tests.bot.notify.hook import Hook, listening
from tests.bot.run.simulated import START, surroundings
from tests.project import TOP


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.delenv(WEBHOOK, raising=False)
    with listening() as server:
        yield server


def notice(text: str = "It happened.", title: str | None = None) -> Notice:
    return Notice(Event.MERGED, text, "project", "loss", 1, title=title)


def test_a_merge_is_told_with_its_numbers(hook: Hook, tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project", f'[notify]\nwebhook = "{hook.address}"\n')
    lab.experiment({"train.py": "RATE = 3.0\n"}, "Triple the rate")
    lab.until_idle()
    lab.experiment({"train.py": "RATE = 9.0\n"}, "Go too far")
    lab.until_idle()
    (body,) = hook.got  # what is closed is nobody's interruption
    told = json.loads(body)
    assert list(told) == list(NOTICE_KEYS)
    assert (told["event"], told["number"], told["title"]) == ("merged", 1, "Triple the rate")
    assert told["text"] == "project: merged #1 (improvement): Triple the rate"
    assert told["difference"] == pytest.approx(-4, abs=0.5)


def test_a_pause_is_told_once_while_the_work_goes_on(hook: Hook, tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project", f'[notify]\nwebhook = "{hook.address}"\n')
    around = surroundings(lab, ListProposer([20.0, 30.0, 40.0, 50.0]))
    mailbox = around[2]
    for when, word in ((100, "pause"), (2_000, "start"), (2_100, "pause")):

        def say(word: str = word) -> None:
            number = lab.place.forge.pulls()[0].number
            lab.place.forge.comment(number, Author("Ada", "ada@example.org"), f"/bot {word}")

        mailbox.at(START + when, say)
    mailbox.at(START + 4_000, StopAsked())
    terms = Terms(max_in_flight=1, patient=True, look_every_s=30)
    Scheduler(lab.place, *around, terms).run()
    told = [json.loads(body) for body in hook.got]
    assert [each["event"] for each in told] == ["paused", "paused"]
    assert "Ada paused the programme" in told[0]["text"]


def test_a_cap_and_a_broken_runner_are_told_and_still_raised(hook: Hook, tmp_path: Path) -> None:
    settings = parse(f'[notify]\nwebhook = "{hook.address}"\n'.encode())
    ends = (CapReached("caps.max_usd is reached."), RunnerFailed("It broke."), Stopped("Paused."))
    for error in ends:
        with pytest.raises(type(error)), watching(settings, tmp_path):
            raise error
    with pytest.raises(ValueError), watching(settings, tmp_path):
        raise ValueError("a defect")
    assert [json.loads(body)["event"] for body in hook.got] == [
        "cap-reached",
        "runner-broken",
        "paused",
    ]


def test_what_lasts_is_not_told_at_every_stroke_of_githubs_clock(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = parse(f'[notify]\nwebhook = "{hook.address}"\n'.encode())
    ends = (CapReached("caps.max_usd is reached."), Stopped("Paused."), RunnerFailed("It broke."))
    for woken_by in ("schedule", "workflow_dispatch"):
        monkeypatch.setenv("GITHUB_EVENT_NAME", woken_by)
        for error in ends:
            tell_of(error, settings, tmp_path)
    events = [json.loads(body)["event"] for body in hook.got]
    assert events == ["runner-broken", "cap-reached", "paused", "runner-broken"]


def test_only_the_events_that_are_wanted_are_told(hook: Hook) -> None:
    send(notice(), NotifyTable(webhook=hook.address, events=(Event.PAUSED,)))
    assert hook.got == []


def test_no_secret_is_in_a_notice(hook: Hook) -> None:
    environment = {"MY_API_TOKEN": "hunter2hunter2", WEBHOOK: hook.address}
    send(
        notice("It said hunter2hunter2\nand ghp_" + "a" * 36, f"to {hook.address} <b>"),
        NotifyTable(),
        environment=environment,
    )
    told = json.loads(hook.got[0])
    assert told["text"] == "It said [redacted] and [redacted]"
    assert told["title"] == "to [redacted] <b>"


@pytest.mark.parametrize("code", [302, 404, 500])
def test_an_answer_that_is_no_yes_is_said_and_nothing_more(hook: Hook, code: int) -> None:
    hook.code = code
    said: list[str] = []
    send(notice(), NotifyTable(webhook=hook.address), said.append)
    assert said == [f"A notice was not delivered (notify.webhook): the other side answered {code}"]
    assert len(hook.got) == 1  # not followed, not tried again


def test_a_secret_address_is_never_shown(hook: Hook) -> None:
    said: list[str] = []
    send(notice(), NotifyTable(), said.append, {WEBHOOK: "https://127.0.0.1:9/secret-path"})
    send(notice(), NotifyTable(), said.append, {WEBHOOK: "ftp://example.org/secret-path"})
    assert len(said) == 2
    assert all(WEBHOOK in words and "secret-path" not in words for words in said)


def test_the_other_side_cannot_hold_the_bot_up(hook: Hook) -> None:
    hook.wait_s = 5.0
    slow = [sys.executable, "-c", "import time; time.sleep(60)"]
    done = threading.Event()
    table = NotifyTable(webhook=hook.address, command=tuple(slow))
    said: list[str] = []

    def deliver() -> None:
        send(notice(), table, said.append, {}, limit_s=0.5)
        done.set()

    threading.Thread(target=deliver, daemon=True).start()
    assert done.wait(30)  # far less than the minute that the command takes


def test_a_command_gets_the_notice_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "told"
    script = (
        "import os, pathlib, sys; "
        f"pathlib.Path({str(file)!r}).write_text(sys.stdin.read() + repr(dict(os.environ)))"
    )
    table = NotifyTable(command=(sys.executable, "-c", script))
    said: list[str] = []
    send(notice(), table, said.append, {"ANTHROPIC_API_KEY": "sk-ant-secret-value", "HOME": "/h"})
    assert said == []
    assert '"text": "It happened."' in file.read_text()
    assert "'HOME': '/h'" in file.read_text()
    assert "secret-value" not in file.read_text()


def test_a_command_that_fails_or_is_missing_is_said() -> None:
    said: list[str] = []
    send(notice(), NotifyTable(command=("false",)), said.append)
    send(notice(), NotifyTable(command=("/no/such/program",)), said.append)
    assert said[0].endswith("the command ended with 1")
    assert said[1].endswith("FileNotFoundError")


@pytest.mark.parametrize(
    "address",
    ["", "x", "http://example.org/", "file:///etc/passwd", "https://", "https://u:p@example.org/",
     "https://example.org:port/", "https://example.org/a b", "gopher://localhost/"],
)  # fmt: skip
def test_only_an_encrypted_address_or_this_machine_is_allowed(address: str) -> None:
    assert fault_of(address)
    with pytest.raises(SettingsError, match=r"notify\.webhook"):
        parse(f"[notify]\nwebhook = {json.dumps(address)}\n".encode())


def test_the_page_about_notices_has_every_key_and_event() -> None:
    page = (TOP / "docs" / "notifications.md").read_text()
    for key, meaning in NOTICE_KEYS.items():
        assert f"\n| `{key}` | {meaning} |\n" in page
    for event in Event:
        assert f"\n| `{event}` | " in page
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert parse(example.encode()).notify.webhook
