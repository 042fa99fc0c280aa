"""Errors that the runner tells a person about: what happened, where, and what to do."""

from __future__ import annotations


class RunnerError(Exception):
    """The runner itself could not do its work; never used for a candidate's own failure.

    The message is written for the person at the keyboard and ends with what to do.
    """


class SandboxUnavailable(RunnerError):
    """No sandbox of the wanted strength can be started on this machine."""


class DataError(RunnerError):
    """The task's data is missing, damaged or cannot be prepared."""


class InvalidOutput(Exception):
    """What a candidate wrote cannot be scored (missing, wrong shape, not finite, too large ...).

    This is a result (status `invalid-output`), not a failure of the runner.
    """
