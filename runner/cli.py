"""The runner's command line: errors and interrupts become one message and an exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from runner import checks_command, commands, image_command, interrupts, odvg_command
from runner.actions import command as actions
from runner.errors import RunnerError

DEBUG_VARIABLE = "MERGELAB_TRACEBACK"


class Terminated(KeyboardInterrupt):
    """Asked to end by a signal, Ctrl-C or another."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. Never lets a traceback reach a person."""
    os.umask(0o022)  # what is laid out for a sandbox is read by another user if root runs this
    _listen()
    sys.unraisablehook = _lost
    try:
        return _run(list(arguments))
    except KeyboardInterrupt as interrupt:  # between click and here
        return _interrupted(interrupt)


def _run(arguments: list[str]) -> int:
    try:
        cli.main(arguments, prog_name="python -m runner", standalone_mode=False)
    except click.Abort as abort:
        return _interrupted(abort.__cause__)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        if not isinstance(error, RunnerError) and (cause := _interrupt_behind(error)):
            return _interrupted(cause)  # a library made an error of it
        return _reported(error)
    return 0


def _reported(error: Exception) -> int:
    """Tell a person what went wrong; the exit code."""
    match error:
        case click.ClickException():
            error.show()
            return error.exit_code
        case RunnerError():
            _say(f"error: {error}")
            return error.exit_code
        case OSError():
            _say(f"error: {error}. Check free space and permissions, then run this again.")
        case _:
            what = f"{type(error).__name__}: {error}"
            _say(f"error: a defect of the runner: {what}. {DEBUG_VARIABLE}=1 shows where.")
    return 1


def _listen() -> None:
    for number in interrupts.NUMBERS:
        signal.signal(number, _terminate)


def _terminate(number: int, _frame: FrameType | None) -> None:
    # Only the first one counts: another (an impatient keyboard, the bot's signal and the end of
    # its pipe) must not interrupt the tidying. Not SIG_IGN, which programs started would inherit.
    for ending in interrupts.NUMBERS:
        signal.signal(ending, _heard)
    raise Terminated(number)


def _heard(_number: int, _frame: FrameType | None) -> None:
    pass


def _interrupt_behind(error: BaseException) -> Terminated | None:
    behind = error.__context__
    while behind is not None and not isinstance(behind, Terminated):
        behind = behind.__context__
    return behind


def _lost(unraisable: sys.UnraisableHookArgs) -> None:
    """Clean-up code that Python calls by itself, like `__del__`, prints and forgets errors."""
    if isinstance(unraisable.exc_value, Terminated):
        _listen()
        interrupts.send_again(unraisable.exc_value.number)
    else:
        sys.__unraisablehook__(unraisable)


def _interrupted(cause: BaseException | None) -> int:
    for ending in interrupts.NUMBERS:  # while Python shuts down its own handlers are gone
        signal.signal(ending, signal.SIG_IGN)
    number = cause.number if isinstance(cause, Terminated) else signal.SIGINT
    _say("interrupted: the sandbox is ended and temporary files are removed.")
    return 128 + number


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be listening any more
        print(line, file=sys.stderr)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Measures candidates: trains them in a sandbox and scores them where they cannot reach."""


for _command in (
    commands.measure, commands.runner_class, commands.prepare, image_command.image,
    odvg_command.import_odvg,
    checks_command.doctor, checks_command.redteam,
    actions.gate, actions.publish, actions.wake,
):  # fmt: skip
    cli.add_command(_command)
