"""The command line of the bot: finds the subcommand and turns errors into one clear message."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType

import click

EXIT_CODES = """\b
Exit codes: 0 done; 1 something has to be put right, the message says what;
2 wrong usage; 130 interrupted.
"""
DEBUG_VARIABLE = "MERGELAB_TRACEBACK"
# Each is a module in bot.commands that has a click command called `command`.
_COMMANDS = ("comment", "diff", "log", "open", "pulls", "show", "step")


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
        command: click.Command = importlib.import_module(f"bot.commands.{cmd_name}").command
        return command


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: python -m bot step\n\n" + EXIT_CODES,
)
@click.version_option(package_name=None, version="0.1.0", prog_name="bot")
def cli() -> None:
    """Research as pull requests: propose, measure in a sandbox, merge what is truly better."""


def main() -> None:
    """Run the command line and exit."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as ending:
        code = ending.exit_code
    except click.UsageError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        error.show()
        code = 1
    except (KeyboardInterrupt, click.Abort):
        print("\nStopped. Nothing is lost: the next `python -m bot step` goes on.", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except OSError as error:
        print(f"error: {_system(error)}", file=sys.stderr)
        code = 1
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        print(f"error: {_told(error)}", file=sys.stderr)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


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


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
