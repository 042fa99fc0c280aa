"""Errors that the runner tells a person about: what happened, where, and what to do."""

from __future__ import annotations


class RunnerError(Exception):
    """The runner itself could not do its work; never used for a candidate's own failure.

    The message is written for the person at the keyboard and ends with what to do.
    `exit_code` is the status that `python -m runner` exits with.
    """

    exit_code = 1


class RequestError(RunnerError):
    """What was asked for makes no sense: a malformed batch, an unreadable candidate."""

    exit_code = 2


class SettingsError(RunnerError):
    """bot.toml is missing or wrong; the message names file, key, what was found, what may be."""

    exit_code = 2


class DataError(RunnerError):
    """The task's data is missing, damaged or cannot be prepared."""

    exit_code = 3


class SandboxUnavailable(RunnerError):
    """No sandbox of the wanted strength can be started on this machine."""

    exit_code = 4


class InvalidOutput(Exception):
    """What a candidate wrote cannot be scored (missing, wrong shape, not finite, too large ...).

    This is a result (status `invalid-output`), not a failure of the runner.
    """
