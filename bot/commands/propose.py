"""`python -m bot propose`."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json


@click.command(
    epilog="""\b
Examples:
  python -m bot propose --dry-run          the exact context, its size, and which proposer and why
  python -m bot propose --dry-run --json   the same as data
"""
)
@click.option("--dry-run", is_flag=True, help="Only show it; the one thing this command does.")
@json_option
def command(dry_run: bool, as_json: bool) -> None:
    """Show what the next proposal would be made from, without asking for one.

    Works without a key. The size is an estimate then; with a key the interface counts it, which
    costs nothing. To propose and measure, run `python -m bot step`.
    """
    from bot.app import open_place
    from bot.proposing.preview import preview, preview_json, preview_text
    from runner.text import clean_text

    if not dry_run:
        raise click.UsageError(
            "Say --dry-run to see what the next proposal would be made from. "
            "`python -m bot step` proposes and measures."
        )
    found = preview(open_place())
    if as_json:
        print_json(preview_json(found))
    else:
        text = (preview_text(found) + "\n").encode(errors="replace")
        click.echo(clean_text(text, 4 * len(text)), nl=False)  # a tab may become four spaces
