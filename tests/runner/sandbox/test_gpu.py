from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import SandboxUnavailable
from runner.sandbox.arguments import environment, file_system
from runner.sandbox.base import Job, Limits
from runner.sandbox.gpu import grant
from runner.sandbox.runtime import System

UUIDS = ("GPU-11111111-aaaa-bbbb-cccc-000000000001", "GPU-22222222-aaaa-bbbb-cccc-000000000002")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, Path]:
    """Two cards whose device numbers run against the order of the bus."""
    proc, dev, sys = (tmp_path / name for name in ("proc", "dev", "sys"))
    for bus, minor, uuid in (("0000:01:00.0", 1, UUIDS[0]), ("0000:C1:00.0", 0, UUIDS[1])):
        folder = proc / "driver/nvidia/gpus" / bus
        folder.mkdir(parents=True)
        (folder / "information").write_text(
            f"Model: \t\t NVIDIA Test\nIRQ:   \t\t 35\nGPU UUID: \t {uuid}\n"
            f"Bus Location: \t {bus}\nDevice Minor: \t {minor}\n"
        )
        device = sys / "devices/pci0000:00" / bus.lower()
        device.mkdir(parents=True)
        (sys / "bus/pci/devices").mkdir(parents=True, exist_ok=True)
        (sys / "bus/pci/devices" / bus.lower()).symlink_to(device)
    dev.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-modeset", "sda"):
        (dev / name).touch()
    return {"proc": proc, "dev": dev, "sys": sys}


def test_an_index_counts_in_the_order_of_the_bus(machine: dict[str, Path]) -> None:
    given = grant("0", **machine)
    names = [Path(device).name for device in given.devices]
    assert names == ["nvidia1", "nvidiactl", "nvidia-uvm"]
    assert given.visible == UUIDS[0]
    shown = [mount.target for mount in given.mounts]
    assert any(target.endswith("/0000:01:00.0") for target in shown)
    assert not any("c1:00.0" in target for target in shown)


def test_a_uuid_names_a_card(machine: dict[str, Path]) -> None:
    given = grant(UUIDS[1], **machine)
    assert Path(given.devices[0]).name == "nvidia0"
    assert given.visible == UUIDS[1]


@pytest.mark.parametrize("gpu", ["2", "GPU-unknown", "all", "", "0,1", "../0"])
def test_a_card_that_is_not_there_is_refused(machine: dict[str, Path], gpu: str) -> None:
    with pytest.raises(SandboxUnavailable, match=r"There is no"):
        grant(gpu, **machine)


def test_without_the_drivers_files_an_index_is_the_device_number(
    machine: dict[str, Path], tmp_path: Path
) -> None:
    given = grant("1", tmp_path / "empty", machine["dev"], machine["sys"])
    assert (Path(given.devices[0]).name, given.visible) == ("nvidia1", "0")
    with pytest.raises(SandboxUnavailable):
        grant(UUIDS[0], tmp_path / "empty", machine["dev"], machine["sys"])


def test_a_job_gets_the_devices_after_the_empty_dev(machine: dict[str, Path]) -> None:
    job = Job(argv=("/bin/true",), limits=Limits(wall_s=1), gpu="0")
    given = grant("0", **machine)
    arguments = list(file_system(job, System((), ()), given, {}))
    device = str(machine["dev"] / "nvidia1")
    assert arguments.index("--dev") < arguments.index(device)
    assert arguments[-6:-2] == ["--remount-ro", "/dev", "--remount-ro", "/"]
    assert arguments[arguments.index(device) - 1] == "--dev-bind"
    variables = list(environment(job, given))
    assert variables[variables.index("CUDA_VISIBLE_DEVICES") + 1] == UUIDS[0]
