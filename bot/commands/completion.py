"""`python -m bot completion`: click's own completion, for a shell function called `bot`."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json

JSON_KEYS = {
    "shell": "which shell it is for",
    "script": "what that shell has to read",
}
NAME, CALL, VARIABLE = "bot", "python -m bot", "_BOT_COMPLETE"
_FUNCTIONS = {
    "bash": f'{NAME}() {{ {CALL} "$@"; }}\n',
    "zsh": f'autoload -U compinit && compinit\n{NAME}() {{ {CALL} "$@"; }}\n',
    "fish": f"function {NAME}; {CALL} $argv; end\n",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot completion bash >> ~/.bashrc
  python -m bot completion zsh >> ~/.zshrc
  python -m bot completion fish > ~/.config/fish/completions/bot.fish

It defines `bot` as a short name of `python -m bot`, and completes its commands and options.
"""
)
@click.argument("shell", type=click.Choice(tuple(_FUNCTIONS)), help="The shell.")
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print what a shell needs to complete commands and options."""
    text = script(shell)
    if as_json:
        print_json({"shell": shell, "script": text})
    else:
        click.echo(text, nl=False)


def script(shell: str) -> str:
    """The lines that a shell has to read.

    Click's scripts call a program. Here that is a module of Python's, so that its call is put in
    the place of the program's name.
    """
    from click.shell_completion import get_completion_class

    from bot.cli import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click completes nothing in {shell}")
    source = found(cli, {}, NAME, VARIABLE).source()
    program = " $1)" if shell == "bash" else f" {NAME})"
    return _FUNCTIONS[shell] + source.replace(program, f" {CALL})")
