from __future__ import annotations

import http.client
import json
import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import BotError
from bot.proposing.place import Place
from bot.report.serve import HOST, Pages, make_server
from tests.bot.lab import git
from tests.bot.report.conftest import make_place


@pytest.fixture
def place(programme: Path, tmp_path: Path) -> Place:
    folder = tmp_path / "project"
    shutil.copytree(programme, folder)
    return make_place(folder)


@pytest.fixture
def port(place: Place) -> Iterator[int]:
    with make_server(place, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def get(port: int, path: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=300)
    connection.request("GET", path, headers={"Host": host or f"{HOST}:{port}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_it_serves_the_page_and_says_when_there_is_a_newer_one(port: int, place: Place) -> None:
    status, page = get(port, "/")
    assert status == 200
    news = json.loads(get(port, "/version")[1])
    assert f'"watch": "{news["version"]}"' in page
    assert news["looked"] == "", "all that happens is in this clone"
    git(place.repository.path, "commit", "-q", "--allow-empty", "-m", "Something happened")
    assert json.loads(get(port, "/version")[1])["version"] != news["version"]


def test_it_answers_to_no_other_name_than_its_own(port: int) -> None:
    assert get(port, "/version", f"localhost:{port}")[0] == 200
    assert get(port, "/version", "evil.example")[0] == 403
    assert get(port, "/../bot.toml")[0] == 404


def test_a_browser_that_hangs_up_leaves_nothing_on_the_terminal(
    port: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = b"x" * 50_000_000  # more than the kernel takes at once
    monkeypatch.setattr(Pages, "page", lambda self: page)
    before = threading.active_count()
    with socket.create_connection((HOST, port)) as browser:
        browser.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        browser.recv(1)  # in the middle of the page
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_one_clear_error(port: int, place: Place) -> None:
    with pytest.raises(BotError, match=f"Port {port} cannot be used"):
        make_server(place, port)
