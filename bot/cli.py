"""The command line of the bot: finds the subcommand and turns errors into one clear message."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from io import TextIOWrapper
from typing import TextIO

import click

from bot import interrupts
from bot.text.plain import for_terminal

EXIT_CODES = """\b
Exit codes: 0 done; 1 something has to be put right, the message says what;
2 wrong usage; 130 interrupted; 141 nobody reads its output any more.
"""
DEBUG_VARIABLE = "MERGELAB_TRACEBACK"
# Each is a module in bot.commands that has a click command called `command`.
_COMMANDS = (
    "audit",
    "best",
    "comment",
    "completion",
    "diff",
    "doctor",
    "export",
    "import",
    "init",
    "log",
    "open",
    "phase",
    "propose",
    "proposers",
    "pulls",
    "report",
    "run",
    "show",
    "status",
    "step",
)

_MODULES = {"import": "import_"}  # where the name is a word of the language


class _Lazy(click.Group):
    """Imports a subcommand when it is called: `log` must not wait for the sampler of `step`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all subcommands."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand with this name, imported now."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(
            f"bot.commands.{_MODULES.get(cmd_name, cmd_name)}"
        ).command
        return command


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: python -m bot step\n\n" + EXIT_CODES,
)
@click.version_option(package_name=None, version="0.1.0", prog_name="bot")
def cli() -> None:
    """Research as pull requests: propose, measure in a sandbox, merge what is truly better."""


def main() -> int:
    """Run the command line; the exit code. Never lets a traceback reach a person."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal may lack a sign that a text has
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(standalone_mode=False, complete_var="_BOT_COMPLETE")
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
    except click.exceptions.Exit as ending:
        code = ending.exit_code
    except click.UsageError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        error.show()
        code = 1
    except (KeyboardInterrupt, click.Abort):
        code = _interrupted()
    except (BrokenPipeError, SystemExit):  # the latter is what click makes of the former
        code = _nobody_listens()
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        code = _interrupted() if interrupts.seen() else _failed(error)
    return code if isinstance(code, int) else 0


def _failed(error: Exception) -> int:
    told = _system(error) if isinstance(error, OSError) else _told(error)
    print(f"error: {for_terminal(told)}", file=sys.stderr)
    _give_up(sys.stdout)
    return 1


def _interrupted() -> int:
    print(f"\n{interrupts.STOPPED}", file=sys.stderr)
    _give_up(sys.stdout)
    return interrupts.EXIT_CODE


def _nobody_listens() -> int:
    """Like a program that SIGPIPE ends, as the shell shows it: `bot log | head` is no mistake."""
    for stream in (sys.stdout, sys.stderr):
        _give_up(stream)
    return 128 + signal.SIGPIPE


def _give_up(stream: TextIO) -> None:
    """Send what a stream still holds to nowhere: at its end, Python would complain about it."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _told(error: Exception) -> str:
    """The message of an error that was written for a person; else an admission of a defect."""
    from bot.errors import BotError
    from bot.forge.base import ForgeError
    from bot.git import GitError

    if isinstance(error, BotError | ForgeError | GitError):
        return str(error)
    what = f"{type(error).__name__}: {error}"
    return f"a defect of the bot: {what}. Nothing is lost. {DEBUG_VARIABLE}=1 shows where."


def _system(error: OSError) -> str:
    import errno

    place = f" ({error.filename})" if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full{place}. Free some space; the next step goes on where this ended."
    return f"{error.strerror or error}{place}."
