"""The engine is asked for exactly what is promised; no engine is needed to see that."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import SandboxUnavailable
from runner.sandbox.arguments import MASKED_IN_PROC
from runner.sandbox.base import Job, Limits, Mount
from runner.sandbox.collect import OutputRefused
from runner.sandbox.docker import specification
from runner.sandbox.docker.address import address
from runner.sandbox.docker.archive import take
from runner.sandbox.docker.engine import Facts
from runner.sandbox.docker.filter import profile
from runner.sandbox.docker.image import Image, environment_digest

FACTS = Facts(
    version="1", machine="x86_64", default_runtime="runc", runtimes=frozenset({"runc", "runsc"}),
    memory_limit=True, swap_limit=True, processes_limit=True, processor_limit=True, processors=1,
    seccomp=True, apparmor=False, rootless=False, user_namespaces=False,
)  # fmt: skip
IMAGE = Image("name", "sha256:" + "0" * 64, "/opt/candidate/bin/python", "", ("PATH", "SECRET"))
LIMITS = Limits(wall_s=5, output_bytes=1000, output_files=10)
PYTHON = Mount(Path("/srv/venv/bin"), "/srv/venv/bin", runtime=True)
JOB = Job(
    argv=("/srv/venv/bin/python", "train.py"),
    limits=LIMITS,
    environment={"SEED": "1"},
    mounts=(PYTHON, Mount(Path("/srv/data"), "/data"), Mount(None, "/data/hidden")),
)


def body(job: Job = JOB, image: Image = IMAGE, facts: Facts = FACTS) -> specification.Body:
    return specification.container(job, image, facts, "run", None)


def test_every_protection_is_asked_for() -> None:
    host = body()["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true", f"seccomp={profile('x86_64')}"]
    assert host["Memory"] == host["MemorySwap"] == LIMITS.memory_bytes
    assert host["PidsLimit"] == LIMITS.processes + 1
    assert host["ShmSize"] == LIMITS.shared_memory_bytes
    assert f"size={LIMITS.scratch_bytes}," in host["Tmpfs"]["/tmp"]
    assert host["LogConfig"] == {"Type": "none"}
    assert host["Init"] is True
    assert host["NanoCpus"] == 10**9
    assert host["RestartPolicy"] == {"Name": "no"}
    hidden = {f"/proc/{name}" for name in MASKED_IN_PROC}
    assert hidden | {"/proc/1/mem", "/proc/1/task/1/mem"} <= set(host["MaskedPaths"])
    assert "Privileged" not in host
    assert "DeviceRequests" not in host
    assert "Runtime" not in host


def test_the_image_is_pinned_and_its_settings_do_not_count() -> None:
    asked = body()
    assert asked["Image"] == IMAGE.id
    assert asked["User"] == "60600:60600"
    assert asked["Healthcheck"] == {"Test": ["NONE"]}
    # A name alone takes away what the image sets.
    assert [one for one in asked["Env"] if "=" not in one] == ["HOSTNAME", "SECRET"]


def test_the_images_interpreter_takes_the_place_of_the_machines() -> None:
    asked = body()
    assert asked["Entrypoint"] == ["/opt/candidate/bin/python"]
    assert asked["Cmd"] == ["train.py"]
    sources = {one["Source"] for one in asked["HostConfig"]["Mounts"]}
    assert sources == {"/srv/data", "run"}
    other = body(replace(JOB, argv=("/bin/true",)))
    assert other["Entrypoint"] == ["/bin/true"]


def test_everything_that_is_mounted_is_read_only_but_the_output() -> None:
    host = body()["HostConfig"]
    writable = {one["Target"] for one in host["Mounts"] if not one["ReadOnly"]}
    assert writable == {"/out"}
    assert ",ro," in host["Tmpfs"]["/data/hidden"]


def test_an_image_copied_from_an_environment_fits_that_environment_alone() -> None:
    copied = replace(
        IMAGE, interpreter="/srv/venv/bin/python", environment=environment_digest((PYTHON,))
    )
    assert body(image=copied)["Entrypoint"] == ["/srv/venv/bin/python"]
    for wrong in (
        replace(copied, environment="of another state"),
        replace(copied, interpreter="/another/python"),
    ):
        with pytest.raises(SandboxUnavailable, match="image --build"):
            body(image=wrong)


@pytest.mark.parametrize(
    ("gpu", "visible"), [("0", "0"), ("3", "0"), ("GPU-11111111-aaaa", "GPU-11111111-aaaa")]
)
def test_one_gpu_is_asked_for_by_its_id_and_is_the_first_inside(gpu: str, visible: str) -> None:
    job = replace(JOB, gpu=gpu, environment={"CUDA_VISIBLE_DEVICES": gpu})
    [device] = body(job)["HostConfig"]["DeviceRequests"]
    assert device["DeviceIDs"] == [gpu]
    assert "Count" not in device
    assert f"CUDA_VISIBLE_DEVICES={visible}" in body(job)["Env"]


def test_a_runtime_is_passed_through() -> None:
    asked = specification.container(JOB, IMAGE, FACTS, "run", "runsc")
    assert asked["HostConfig"]["Runtime"] == "runsc"


def test_the_output_is_a_memory_file_system_of_bounded_size_and_count() -> None:
    options = specification.volume(JOB, FACTS)
    assert options["type"] == "tmpfs"
    assert "size=1000,nr_inodes=21," in options["o"]
    assert "nosuid,nodev,noexec" in options["o"]
    mapped = specification.volume(JOB, replace(FACTS, user_namespaces=True))
    assert "uid=" not in mapped["o"]


def test_the_keeper_can_do_nothing_but_hold_the_output() -> None:
    keeper = specification.keeper(JOB, IMAGE, FACTS, "run")
    assert keeper["HostConfig"]["SecurityOpt"] == body()["HostConfig"]["SecurityOpt"]
    assert keeper["User"] != body()["User"]
    assert keeper["HostConfig"]["Mounts"][0]["ReadOnly"] is True
    assert keeper["HostConfig"]["CapDrop"] == ["ALL"]
    assert keeper["Labels"].keys() == body()["Labels"].keys()


def test_sources_that_the_jobs_user_cannot_read_are_refused_with_advice(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    job = replace(JOB, mounts=(Mount(tmp_path, "/data"),))
    with pytest.raises(SandboxUnavailable, match=r"chmod -R o\+rX"):
        specification.check_sources(job)
    tmp_path.chmod(0o755)
    specification.check_sources(job)


def test_docker_host_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2376")
    assert address() == "tcp://elsewhere:2376"


def packed(*members: tuple[str, bytes, int], cut: int | None = None) -> io.BytesIO:
    """A tar stream with (type, content, size) under names m0, m1 ... or as given in content."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, kind, size in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, size
            archive.addfile(entry, io.BytesIO(b"x" * size) if size else None)
    return io.BytesIO(target.getvalue()[:cut])


F, D = tarfile.REGTYPE, tarfile.DIRTYPE


def test_files_and_folders_are_taken_from_the_stream(tmp_path: Path) -> None:
    take(packed(("./", D, 0), ("./a", F, 7), ("./d/", D, 0), ("./d/b", F, 3)), tmp_path, LIMITS)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {"a", "d", "d/b"}
    assert (tmp_path / "a").read_bytes() == b"x" * 7


@pytest.mark.parametrize(
    "hostile",
    [
        ("../escaped", F, 1), ("./../../escaped", F, 1), ("/etc/passwd", F, 1), ("./a//b", F, 1),
        ("./.pth", F, 1), ("./x\ny", F, 1), ("./link", tarfile.SYMTYPE, 0),
        ("./hard", tarfile.LNKTYPE, 0), ("./pipe", tarfile.FIFOTYPE, 0),
        ("./disk", tarfile.BLKTYPE, 0), ("./tty", tarfile.CHRTYPE, 0), ("./big", F, 994),
        ("./odd", b"Z", 0), ("./" + "/".join("d" * 9), F, 0),
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_nothing_stays(
    tmp_path: Path, hostile: tuple[str, bytes, int]
) -> None:
    target = tmp_path / "a/b"
    target.mkdir(parents=True)
    with pytest.raises(OutputRefused):
        take(packed(("./", D, 0), ("./good", F, 7), hostile), target, LIMITS)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", target]


def test_one_file_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="more than 10 files"):
        take(packed(*((f"./{n}", F, 0) for n in range(11))), tmp_path, LIMITS)
    assert not list(tmp_path.iterdir())


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="end of data"):
        take(packed(("./a", F, 700), cut=900), tmp_path, LIMITS)
    assert not list(tmp_path.iterdir())
