"""Errors that the bot tells a person about: what happened, where, and what to do."""

from __future__ import annotations


class BotError(Exception):
    """Something a person has to put right. The message ends with what to do.

    The command line prints it as one message and exits with code 1; it is never a traceback.
    """


class SettingsError(BotError):
    """bot.toml is missing, unreadable or says something impossible."""


class DirtyCheckout(BotError):
    """Files that a step would have to write carry changes that are not committed."""


class AlreadyRunning(BotError):
    """Another process is carrying out steps in this clone."""


class LedgerError(BotError):
    """A ledger commit cannot be read."""


class RunnerChanged(BotError):
    """The machine, the runner or its settings changed while it was measuring."""


class BaselineFails(BotError):
    """The base branch's own files do not produce a metric."""


class RunnerFailed(BotError):
    """The runner itself failed (not the candidate)."""


class Stopped(BotError):
    """Nothing more is proposed under the limits of bot.toml: a clean end, and no defect."""
