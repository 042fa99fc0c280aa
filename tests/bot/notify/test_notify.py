from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.errors import RunnerFailed, SettingsError, Stopped
from bot.history.spending import CapReached
from bot.notify.notice import NOTICE_KEYS, Notice
from bot.notify.send import WEBHOOK, send, tell_of, watching
from bot.notify.tables import Event, NotifyTable, fault_of
from bot.settings import parse
from tests.bot.lab import Lab
from tests.project import TOP


class Hook(ThreadingHTTPServer):
    """A webhook that remembers what it got, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.code = 200
        self.wait_s = 0.0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.got.append(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(hook.wait_s)
                self.send_response(hook.code)
                if hook.code == 302:
                    self.send_header("Location", f"{hook.address}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.delenv(WEBHOOK, raising=False)
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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
