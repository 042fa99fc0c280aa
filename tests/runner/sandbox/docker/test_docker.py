"""What is the Docker backend's own: flags that are really in effect, the image, the choice."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from docker.errors import APIError

from runner.errors import SandboxUnavailable
from runner.sandbox.base import Ended, Mount, Sandbox
from runner.sandbox.choose import choose
from runner.sandbox.docker.backend import Docker
from runner.sandbox.docker.build import build_from_dockerfile
from runner.sandbox.docker.engine import Engine
from runner.sandbox.docker.image import INTERPRETER_LABEL, find
from runner.sandbox.docker.specification import USER
from tests.runner.sandbox.conftest import MIB, Run, alive

REPOSITORY = Path(__file__).parents[4]


def test_it_has_no_privileges_and_cannot_get_any(run: Run) -> None:
    ran = run(
        "import os\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "for name in 'CapEff CapPrm CapInh CapBnd CapAmb NoNewPrivs Seccomp'.split():\n"
        "    print(name, int(status[name], 16))\n"
        "print(os.getuid(), os.getgid(), os.geteuid(), os.getgroups())\n"
        "try: os.setuid(0); print('root')\n"
        "except OSError: pass\n"
        "try: os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0)); print('device')\n"
        "except OSError: pass\n"
    )
    *flags, user = ran.text.splitlines()
    assert flags == [
        "CapEff 0", "CapPrm 0", "CapInh 0", "CapBnd 0", "CapAmb 0", "NoNewPrivs 1", "Seccomp 2",
    ]  # fmt: skip
    assert user in (f"{USER} {USER} {USER} []", f"{USER} {USER} {USER} [{USER}]")


def test_system_calls_that_lead_out_are_refused(run: Run) -> None:
    ran = run(
        "import ctypes, errno, platform\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "calls = {'mount': 165, 'unshare': 272, 'keyctl': 250, 'bpf': 321, 'add_key': 248,"
        " 'userfaultfd': 323, 'setns': 308, 'pivot_root': 155, 'init_module': 175,"
        " 'open_by_handle_at': 304, 'perf_event_open': 298}\n"
        "if platform.machine() != 'x86_64': calls = {'mount': 40, 'unshare': 97, 'keyctl': 219}\n"
        "for name, number in calls.items():\n"
        "    arguments = [0x10000000] if name == 'unshare' else [0, 0, 0, 0, 0]\n"
        "    result = libc.syscall(number, *map(ctypes.c_long, arguments))\n"
        "    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):\n"
        "        print(name, result, ctypes.get_errno())\n"
        "flags = 0x10000000 | 17\n"
        "clone = 56 if platform.machine() == 'x86_64' else 220\n"
        "print(libc.syscall(clone, ctypes.c_long(flags), 0, 0, 0, 0))\n"
    )
    assert ran.text == "-1\n"


def test_there_is_no_network_and_no_route(run: Run) -> None:
    ran = run(
        "import socket, os\n"
        "routes = open('/proc/net/route').read().splitlines()[1:]\n"
        "print([line for line in routes if line.strip()])\n"
        "print([l.split(':')[0].strip() for l in open('/proc/net/dev').readlines()[2:]])\n"
        "for family, address in ((socket.AF_INET, ('169.254.169.254', 80)),"
        " (socket.AF_INET, ('1.1.1.1', 53)), (socket.AF_INET6, ('2606:4700::1111', 53))):\n"
        "    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
        "        try: socket.socket(family, kind).connect(address); print('CONNECTED', address)\n"
        "        except OSError as error: pass\n"
        "for family, number in ((socket.AF_INET, 1), (socket.AF_PACKET, 3)):\n"
        "    try: socket.socket(family, socket.SOCK_RAW, number); print('MADE', family)\n"
        "    except OSError: pass\n"
        "try: print(socket.getaddrinfo('example.com', 80))\n"
        "except OSError: print('no name service')\n"
    )
    assert ran.text.splitlines() == ["[]", "['lo']", "no name service"]


def test_only_three_places_can_be_written_and_each_has_its_size(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "images.npy").write_bytes(b"pixels")
    ran = run(
        "import json, os\n"
        "assert open('/data/images.npy').read() == 'pixels'\n"
        "mounts = [line.split() for line in open('/proc/mounts')]\n"
        "sizes = {}\n"
        "for path in ('/tmp', '/dev/shm', '/out'):\n"
        "    state = os.statvfs(path)\n"
        "    sizes[path] = state.f_blocks * state.f_frsize\n"
        "written = []\n"
        "for path in ('/', '/usr', '/etc', '/data', '/dev', '/candidate', '/proc', '/sys', '/var',"
        " '/out', '/tmp', '/dev/shm', __import__('sys').prefix + '/lib'):\n"
        "    try: open(path + '/new', 'w'); written.append(path)\n"
        "    except OSError: pass\n"
        "for path in ('/data/images.npy', '/etc/passwd', '/etc/hosts', '/etc/resolv.conf',"
        " '/proc/sysrq-trigger', '/proc/sys/kernel/hostname'):\n"
        "    try: open(path, 'r+'); written.append(path)\n"
        "    except OSError: pass\n"
        "root = [mount for mount in mounts if mount[1] == '/'][0]\n"
        "print(json.dumps([root[3].split(',')[0], sizes, written]))",
        mounts=(Mount(data, "/data"),),
    )
    root, sizes, written = json.loads(ran.text)
    assert root == "ro"
    assert sizes == {"/tmp": 8 * MIB, "/dev/shm": 8 * MIB, "/out": 4 * MIB}
    assert written == ["/out", "/tmp", "/dev/shm"]


def test_of_the_host_only_the_image_and_the_mounts_are_seen(run: Run) -> None:
    ran = run(
        "import os\n"
        "print(sorted(int(n) for n in os.listdir('/proc') if n.isdecimal()) == [1, os.getpid()])\n"
        f"paths = ['/home', '/run', '/var/run/docker.sock', '/opt', '/etc/shadow', '/boot',"
        f" {str(REPOSITORY)!r}, '/usr/bin/gcc', '/usr/bin/mount', '/usr/bin/su']\n"
        "print([path for path in paths if os.path.exists(path)])\n"
        "print([place for place, _, files in os.walk('/usr') for name in files"
        " if os.lstat(place + '/' + name).st_mode & 0o6000])\n"
        "print(os.uname().nodename, open('/proc/kallsyms').read())\n"
        "servers = [line for line in open('/etc/resolv.conf') if line.startswith('nameserver')]\n"
        "print({'nameserver 127.0.0.1\\n'}.issuperset(servers))\n"
    )
    assert ran.text.splitlines() == ["True", "[]", "[]", "sandbox ", "True"]


def test_very_many_tiny_files_end_in_a_limit(run: Run) -> None:
    code = "import os\nfor n in range(3_000_000): os.close(os.open(f'{}/{{n}}', os.O_CREAT))"
    for folder in ("/out", "/tmp"):
        ran = run(code.format(folder))
        assert ran.outcome.ended is (Ended.OUTPUT_LIMIT if folder == "/out" else Ended.EXITED)
        assert "No space left on device" in ran.text


def test_the_job_runs_as_a_user_of_its_own_outside_too(run: Run) -> None:
    users: set[str] = set()

    def look(chunk: bytes) -> None:
        mark = chunk.decode().strip()
        for pid in alive(mark) if mark else ():
            if Path(f"/proc/{pid}/comm").read_text().startswith("python"):
                users.update(re.findall(r"^Uid:.*$", Path(f"/proc/{pid}/status").read_text(), re.M))

    run("import sys, time; print(sys.argv[1]); time.sleep(0.5)", on_output=look)
    assert len(users) == 1
    assert "0" not in users.pop().split()[1:]


def test_its_identity_pins_engine_runtime_and_image(
    sandbox: Sandbox, connection: Engine, image: str
) -> None:
    assert sandbox.identity() == (
        f"docker {connection.facts.version} runtime {connection.facts.default_runtime} "
        f"image {find(connection, image).id}"
    )
    assert re.search(r"image sha256:[0-9a-f]{64}$", sandbox.identity())


def test_an_image_can_be_named_by_its_digest_and_a_runtime_by_its_name(
    connection: Engine, image: str
) -> None:
    runtime = connection.facts.default_runtime
    chosen = choose("docker", image=find(connection, image).id, runtime=runtime)
    assert f"runtime {runtime} image {find(connection, image).id}" in chosen.identity()


def test_an_unknown_runtime_is_refused_with_those_that_there_are(image: str) -> None:
    with pytest.raises(SandboxUnavailable, match=r"no runtime 'runsc-none'.*runc"):
        choose("docker", image=image, runtime="runsc-none")
    with pytest.raises(SandboxUnavailable, match="no runtime"):
        choose("auto", image=image, runtime="runsc-none")


def test_a_missing_image_is_told_with_how_to_build_it() -> None:
    with pytest.raises(SandboxUnavailable, match=r"no image 'not-there'.*runner image --build"):
        choose("docker", image="not-there")


def test_auto_is_docker_where_the_image_is_and_bubblewrap_where_not_and_says_why(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert choose("auto", image=image).name == "docker"
    assert (
        f"Docker, because its engine answers and has the image {image}" in capsys.readouterr().err
    )
    assert choose("auto", image="not-there").name == "bubblewrap"
    assert "no image 'not-there'" in capsys.readouterr().err


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("-job", "cannot start a stopped process"),
        ("-keeper", "OCI runtime start failed: container process is already dead"),
    ],
)
def test_a_container_that_the_engine_does_not_start_properly_is_made_anew(
    run: Run, sandbox: Docker, monkeypatch: pytest.MonkeyPatch, times: int, which: str, words: str
) -> None:
    client = sandbox._engine.client
    start, left = client.start, [APIError(f"{words}: unknown")] * times

    def sometimes(name: str) -> None:
        if name.endswith(which) and left:
            raise left.pop()
        start(name)

    monkeypatch.setattr(client, "start", sometimes)
    if times == 2:
        assert run("print('here')").text == "here\n"
    else:
        with pytest.raises(SandboxUnavailable, match=words):
            run("print('here')")
    assert not left


def test_an_engine_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(SandboxUnavailable, match=r"nonexistent/docker\.sock does not answer"):
        choose("docker")
    assert choose("auto").name == "bubblewrap"


def test_guarantees_have_the_names_of_every_backend(sandbox: Sandbox) -> None:
    ours = {one.name: one for one in sandbox.guarantees()}
    assert set(ours) == {one.name for one in choose("bubblewrap").guarantees()}
    assert {name for name, one in ours.items() if not one.held} == {"kernel bugs"}


def test_an_image_made_from_another_state_of_the_environment_is_refused(
    run: Run, interpreter: Path
) -> None:
    packages = next(interpreter.parents[1].glob("lib/python3*/site-packages"))
    installed = packages / "something-1.0.dist-info"
    installed.mkdir()
    try:
        with pytest.raises(SandboxUnavailable, match="in another state"):
            run("pass")
    finally:
        installed.rmdir()
    assert run("print('again')").text == "again\n"


def test_an_image_from_a_dockerfile_brings_its_own_interpreter(
    run: Run, connection: Engine, image: str, interpreter: Path, tmp_path: Path
) -> None:
    other = tmp_path / "Dockerfile"
    other.write_text(
        f'ARG BASE\nFROM ${{BASE}}\nENV SECRET=from-image LANG=xx\nENTRYPOINT ["false"]\n'
        f"COPY mine.txt /mine.txt\nLABEL {INTERPRETER_LABEL}={interpreter}3\n"
        'LABEL mergelab.environment=""\n'
    )
    (tmp_path / "mine.txt").write_text("mine")
    name, lines = f"mergelab-tests-other:{os.getpid()}", list[str]()
    made = build_from_dockerfile(
        connection, name, other,
        context={"mine.txt": tmp_path / "mine.txt"}, arguments={"BASE": image}, tell=lines.append,
    )  # fmt: skip
    try:
        assert lines
        ran = run(
            "import os, sys; print(sys.executable, open('/mine.txt').read(), sorted(os.environ))",
            within=choose("docker", image=name),
        )
        assert ran.text == f"{interpreter}3 mine ['HOME', 'LANG', 'PATH', 'PWD']\n"
    finally:
        connection.client.remove_image(made.id, force=True)


def test_an_image_with_volumes_or_without_an_interpreter_is_refused(
    connection: Engine, image: str, tmp_path: Path
) -> None:
    for line, told in (
        ("VOLUME /cache", "declares volumes"),
        (f"LABEL {INTERPRETER_LABEL}=", "does not say"),
    ):
        (tmp_path / "Dockerfile").write_text(f"FROM {image}\n{line}\n")
        with pytest.raises(SandboxUnavailable, match=told):
            build_from_dockerfile(
                connection, "mergelab-tests-bad", tmp_path / "Dockerfile",
                context={}, arguments={}, tell=lambda line: None,
            )  # fmt: skip
        connection.client.remove_image("mergelab-tests-bad", force=True)


def test_without_a_hub_the_shipped_dockerfile_ends_in_advice(connection: Engine) -> None:
    with pytest.raises(SandboxUnavailable, match="--base local"):
        build_from_dockerfile(
            connection,
            "mergelab-tests-hub",
            REPOSITORY / "runner/Dockerfile",
            context={"candidate.txt": REPOSITORY / "requirements/candidate.txt"},
            arguments={"BASE": "localhost:1/nothing-here"},
            tell=lambda line: None,
        )
