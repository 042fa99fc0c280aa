"""Where proposals are made, and who makes them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.forge.base import Author, Forge
from bot.git import Repository
from bot.settings import Settings

BOT = Author(name="Mergelab", id="mergelab@users.noreply.invalid", is_bot=True)
PHASE = "default"


@dataclass(frozen=True)
class Place:
    """Where proposals are made: the repository, its forge and its settings."""

    repository: Repository
    forge: Forge
    settings: Settings
