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
from urllib.parse import urlsplit

import pytest

from bot.errors import BotError
from bot.proposing.place import Place
from bot.report.serve import HOST, Pages, PageServer, make_server
from tests.bot.lab import git
from tests.bot.report.conftest import make_place


@pytest.fixture
def place(programme: Path, tmp_path: Path) -> Place:
    folder = tmp_path / "project"
    shutil.copytree(programme, folder)
    return make_place(folder)


@pytest.fixture
def server(place: Place) -> Iterator[PageServer]:
    with make_server(place, 0) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def get(server: PageServer, name: str = "", host: str | None = None) -> tuple[int, str]:
    """Status and text of what has this name beside the page; the page itself without one."""
    return ask(server.server_port, f"{server.secret}{name}", host)


def ask(port: int, path: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=300)
    connection.request("GET", path, headers={"Host": host or f"{HOST}:{port}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_it_serves_the_page_and_says_when_there_is_a_newer_one(
    server: PageServer, place: Place
) -> None:
    status, page = get(server)
    assert status == 200
    news = json.loads(get(server, "version")[1])
    assert f'"watch": "{news["version"]}"' in page
    assert news["looked"] == "", "all that happens is in this clone"
    git(place.repository.path, "commit", "-q", "--allow-empty", "-m", "Something happened")
    assert json.loads(get(server, "version")[1])["version"] != news["version"]


def test_it_answers_to_no_other_name_than_its_own(server: PageServer) -> None:
    assert get(server, "version", f"localhost:{server.server_port}")[0] == 200
    assert get(server, "version", "evil.example")[0] == 403
    assert get(server, "../bot.toml")[0] == 404


def test_whoever_reaches_the_port_learns_nothing_without_the_address(
    server: PageServer, place: Place
) -> None:
    port, secret = server.server_port, server.secret
    wrong = f"/{'x' * (len(secret) - 2)}/"
    for path in ("/", "/version", "/index.html", wrong, f"{wrong}version", secret[:-1]):
        status, text = ask(port, path)
        assert status == 404, path
        assert secret.strip("/") not in text
    with make_server(place, 0) as other:
        assert other.secret != secret and len(other.secret) > 20
    told = urlsplit(server.address)
    assert ask(int(told.port or 0), told.path)[0] == 200


def test_a_browser_that_hangs_up_leaves_nothing_on_the_terminal(
    server: PageServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = b"x" * 50_000_000  # more than the kernel takes at once
    monkeypatch.setattr(Pages, "page", lambda self: page)
    before = threading.active_count()
    port = server.server_port
    with socket.create_connection((HOST, port)) as browser:
        asked = f"GET {server.secret} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n"
        browser.sendall(asked.encode())
        browser.recv(1)  # in the middle of the page
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_one_clear_error(server: PageServer, place: Place) -> None:
    port = server.server_port
    with pytest.raises(BotError, match=f"Port {port} cannot be used"):
        make_server(place, port)
