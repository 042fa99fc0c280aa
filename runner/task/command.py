"""The command line of `python -m runner.task.prepare`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from runner.errors import DataError
from runner.task.compose import RECIPES, SizeName
from runner.task.prepare import TaskData, cache_folder, prepare
from runner.task.salt import read_salt


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Examples: `python -m runner.task.prepare --size small`; on a second runner, with the "
    "salt of the first: `python -m runner.task.prepare --size full --salt-file salt.hex`.",
)
@click.option(
    "--size",
    type=click.Choice(list(RECIPES)),
    default="small",
    show_default=True,
    help="small for a CPU, full for a GPU, tiny for tests.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Cache folder instead of $MERGELAB_CACHE, or mergelab in $XDG_CACHE_HOME or ~/.cache.",
)
@click.option(
    "--salt-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the salt of another runner (its private/salt.hex), so that both have the "
    "same evaluation splits. Without it a salt is made the first time.",
)
@click.option("--repair", is_flag=True, help="Make damaged data again with the salt that it has.")
@click.option("--verify", is_flag=True, help="Read all prepared files and check their digests.")
def main(
    size: SizeName, cache: Path | None, salt_file: Path | None, repair: bool, verify: bool
) -> None:
    """Prepare the default task's data, or check that it is there.

    Data that is already prepared is only checked. An interrupted preparation starts afresh.
    """
    cache = cache or cache_folder()
    try:
        salt = read_salt(salt_file) if salt_file else None
        data = _with_progress(size, cache, salt, repair=repair, verify=verify)
    except DataError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; nothing was left behind, run it again") from None
    click.echo(f"data      {data.version}")
    click.echo(f"digest    {data.digest}")
    click.echo(f"training  {data.train}")
    click.echo(f"secret    {data.private} (never show it to a candidate)")


def _with_progress(
    size: SizeName, cache: Path, salt: bytes | None, *, repair: bool, verify: bool
) -> TaskData:
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("checking the data", total=1.0)
        return prepare(
            size,
            cache,
            salt,
            lambda share, what: progress.update(task, completed=share, description=what),
            repair=repair,
            thorough=verify,
        )


def run() -> None:
    """Run the command as `python -m runner.task.prepare`."""
    main(prog_name="python -m runner.task.prepare")
