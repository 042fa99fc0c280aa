"""The device files and parts of /sys that one NVIDIA GPU needs, and only those.

Which device file belongs to which card is read from the driver's own files
(`/proc/driver/nvidia/gpus/<bus>/information`); where they are missing, as in some containers,
an index is taken for the number in `/dev/nvidia<index>`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from runner.errors import SandboxUnavailable
from runner.sandbox.base import Mount

_SHARED_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
_LIBRARIES = ("/usr/local/nvidia",)
_SYSTEM_FILES = ("/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/module/nvidia")


@dataclass(frozen=True)
class Card:
    """One GPU as the driver describes it."""

    bus: str
    minor: int
    uuid: str


@dataclass(frozen=True)
class Grant:
    """What a job that may use one GPU gets."""

    devices: tuple[str, ...]
    mounts: tuple[Mount, ...]
    visible: str  # value of CUDA_VISIBLE_DEVICES


def grant(
    gpu: str, proc: Path = Path("/proc"), dev: Path = Path("/dev"), sys: Path = Path("/sys")
) -> Grant:
    """Devices and folders for the GPU with this index (in the order of the bus) or uuid.

    Raises:
        SandboxUnavailable: there is no such GPU on this machine.
    """
    card = _find(gpu, _cards(proc))
    minor, bus, uuid = (card.minor, card.bus, card.uuid) if card else (int(gpu), None, "")
    device = dev / f"nvidia{minor}"
    if not device.exists():
        raise SandboxUnavailable(
            f"There is no device file {device} for GPU {gpu!r}. Look at `nvidia-smi -L`, "
            "load the driver, or choose the cpu profile in bot.toml."
        )
    shared = [dev / name for name in _SHARED_DEVICES]
    folders = [Path(path) for path in _LIBRARIES]
    folders += [sys / Path(path).relative_to("/sys") for path in _SYSTEM_FILES]
    if bus is not None:
        link = sys / "bus/pci/devices" / bus
        folders += [Path(os.path.realpath(link)), link]
    return Grant(
        devices=tuple(str(path) for path in [device, *shared] if path.exists()),
        mounts=tuple(Mount(folder, str(folder)) for folder in folders if folder.exists()),
        # With one card's device file alone CUDA numbers that card 0, whatever it was outside.
        visible=uuid or "0",
    )


def _find(gpu: str, cards: list[Card]) -> Card | None:
    by_index = cards[int(gpu)] if gpu.isdecimal() and int(gpu) < len(cards) else None
    found = next((card for card in cards if card.uuid and card.uuid == gpu), by_index)
    if found is None and (cards or not gpu.isdecimal()):
        known = ", ".join(f"{index} ({card.uuid})" for index, card in enumerate(cards)) or "none"
        raise SandboxUnavailable(
            f"There is no GPU {gpu!r} on this machine; the driver knows {known}."
        )
    return found


def _cards(proc: Path) -> list[Card]:
    """The driver's cards in the order of their bus addresses, as nvidia-smi counts them."""
    cards = []
    for file in sorted(proc.glob("driver/nvidia/gpus/*/information")):
        fields = dict(
            re.findall(r"^([A-Za-z ]+):\s*(.*?)\s*$", file.read_text(errors="replace"), re.M)
        )
        if fields.get("Device Minor", "").isdecimal():
            uuid = fields.get("GPU UUID", "")
            cards.append(
                Card(
                    bus=file.parent.name.lower(),
                    minor=int(fields["Device Minor"]),
                    uuid=uuid if re.fullmatch(r"GPU-[0-9a-f-]+", uuid) else "",
                )
            )
    return cards
