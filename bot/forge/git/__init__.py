"""The embedded forge: pull requests inside the repository itself, under `refs/forge`."""

from __future__ import annotations

from bot.forge.git.forge import BOT, GitForge
from bot.forge.git.refspecs import REFSPEC, configure_refspecs, travels
from bot.forge.git.store import known_numbers

__all__ = ["BOT", "REFSPEC", "GitForge", "configure_refspecs", "known_numbers", "travels"]
