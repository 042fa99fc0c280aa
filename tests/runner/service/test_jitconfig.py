from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from runner.sandbox.diagnosis import _CONTAINER_ADVICE
from runner.service.jitconfig import main

SERVICE = Path(__file__).parents[3] / "runner" / "service" / "mergelab-runner@.service"


class GitHub(HTTPServer):
    asked: list[tuple[str, str, dict[str, Any]]]
    status = 201


class Answers(BaseHTTPRequestHandler):
    server: GitHub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, self.headers["authorization"], body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b'{"encoded_jit_config": "Y29uZmln", "runner": {"id": 1}}')

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def github() -> Iterator[GitHub]:
    server = GitHub(("127.0.0.1", 0), Answers)
    server.asked = []
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def call(github: GitHub, folder: Path, repository: str = "lab/research") -> int:
    (folder / "token").write_text("secret\n")
    return main(
        ["--repository", repository, "--token-file", str(folder / "token"),
         "--out", str(folder / "config"), "--api-url", f"http://127.0.0.1:{github.server_port}"]
    )  # fmt: skip


def test_a_runner_for_one_job_is_asked_for_and_its_configuration_is_the_user_s_alone(
    github: GitHub, tmp_path: Path
) -> None:
    (tmp_path / "config").symlink_to("/etc/passwd")
    assert call(github, tmp_path) == 0
    ((path, authorization, body),) = github.asked
    assert path == "/repos/lab/research/actions/runners/generate-jitconfig"
    assert authorization == "Bearer secret"
    assert body["labels"] == ["self-hosted", "gpu"]
    config = tmp_path / "config"
    assert not config.is_symlink() and config.read_text() == "Y29uZmln"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_two_runners_of_one_machine_have_different_names(github: GitHub, tmp_path: Path) -> None:
    call(github, tmp_path)
    call(github, tmp_path)
    assert len({body["name"] for _, _, body in github.asked}) == 2


def test_a_refusal_says_which_permission_is_missing(
    github: GitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.status = 403
    assert call(github, tmp_path) == 1
    said = capsys.readouterr().err
    assert "Administration: write" in said and "secret" not in said
    assert not (tmp_path / "config").exists()


def test_an_odd_repository_is_not_asked_for(github: GitHub, tmp_path: Path) -> None:
    assert call(github, tmp_path, "lab/research/../../user") == 1
    assert not github.asked


def test_the_service_keeps_the_token_from_the_user_that_runs_the_job() -> None:
    lines = SERVICE.read_text().splitlines()
    assert "User=mergelab" in lines
    with_token = [line for line in lines if "/etc/mergelab/token" in line]
    assert len(with_token) == 1 and with_token[0].startswith("ExecStartPre=+")
    assert not any("token" in line for line in lines if line.startswith("Environment"))


def test_root_imports_nothing_that_a_job_has_left_in_the_working_directory(tmp_path: Path) -> None:
    (line,) = [one for one in SERVICE.read_text().splitlines() if "/etc/mergelab/token" in one]
    _, _, command = line.partition("/opt/mergelab/venv/bin/python ")
    left = "open('imported', 'w').close()\n"
    (tmp_path / "argparse.py").write_text(left)
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner" / "__init__.py").write_text(left)
    flags = command.partition(" --repository ")[0].split()
    environment = {"PYTHONPATH": str(SERVICE.parents[2])}
    done = subprocess.run(
        [sys.executable, *flags, "--help"], cwd=tmp_path, env=environment, capture_output=True
    )
    assert b"--token-file" in done.stdout and not (tmp_path / "imported").exists()


def test_a_job_does_not_inherit_the_service_s_code() -> None:
    lines = SERVICE.read_text().splitlines()
    assert not any("PYTHONPATH" in line for line in lines if line.startswith("Environment"))


def test_a_job_in_a_container_gets_what_its_sandbox_needs_and_neither_token_nor_socket() -> None:
    lines = SERVICE.with_name("container.conf").read_text().splitlines()
    (command,) = [line for line in lines if line.startswith("ExecStart=/")]
    for option in ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"):
        assert option in command and option in _CONTAINER_ADVICE
    assert "/etc/mergelab" not in command and "docker.sock" not in command
    assert "--privileged" not in command and "--cap-add" not in command
    image = SERVICE.with_name("Dockerfile").read_text()
    assert image.rindex("USER runner") > image.rindex("RUN ")
    for variable in ("MERGELAB_PYTHON", "MERGELAB_CANDIDATE_PYTHON", "MERGELAB_CACHE"):
        assert f"{variable}=" in image
