"""`python -m runner image`: shows or builds the Docker image that candidates run in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.errors import RequestError

if TYPE_CHECKING:
    from runner.sandbox.docker.engine import Engine
    from runner.sandbox.docker.image import Image
    from runner.settings import RunnerSettings

JSON_KEYS = {
    "name": "what sandbox.image in bot.toml calls it",
    "id": "its digest",
    "interpreter": "the candidate's interpreter inside it",
}

_DOCKERFILE = Path(__file__).with_name("Dockerfile")
_REQUIREMENTS = "requirements/candidate.txt"


@click.command(
    epilog="""\b
Examples:
  python -m runner image
  python -m runner image --build
  python -m runner image --build --base hub --base-image nvidia/cuda:12.8.1-base-ubuntu24.04
\b
Exit codes: 0 done; 2 the request or bot.toml is wrong; 4 no engine, no image, or no build.
"""
)
@click.option("--build", is_flag=True, help="Build it; else it is only shown.")
@click.option(
    "--base",
    type=click.Choice(["local", "hub"]),
    default="local",
    show_default=True,
    help="local: this machine's candidate interpreter and its libraries, without any network; "
    "hub: runner/Dockerfile, on a CUDA base.",
)
@click.option("--base-image", metavar="IMAGE", help="Another base than the Dockerfile's, for hub.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="The bot.toml to use.  [default: bot.toml in the repository]",
)
def image(
    *, build: bool, base: str, base_image: str | None, as_json: bool, settings: Path | None
) -> None:
    """Show or build the Docker image that candidates run in (sandbox.image in bot.toml)."""
    if base_image is not None and (not build or base != "hub"):
        raise click.UsageError("--base-image goes with --build --base hub")
    from runner.sandbox.docker.engine import connect
    from runner.sandbox.docker.image import find
    from runner.settings_file import load

    place = (settings or Path("bot.toml")).resolve()
    chosen = load(place)
    engine = connect()
    if not build:
        made = find(engine, chosen.sandbox.image)
    elif base == "local":
        made = _local(engine, place.parent, chosen)
    else:
        made = _from_hub(engine, place.parent, chosen, base_image)
    facts = {"name": made.name, "id": made.id, "interpreter": made.interpreter}
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for name, value in facts.items():
            click.echo(f"{name:12} {value}", err=True)


def _local(engine: Engine, repository: Path, chosen: RunnerSettings) -> Image:
    from runner.interpreter import find_interpreter
    from runner.sandbox.docker.build import build_local

    interpreter = find_interpreter(repository, chosen.candidate)
    click.echo(f"Copying {interpreter.path} and what it needs into an image", err=True)
    return build_local(engine, _new_name(chosen), interpreter.path)


def _from_hub(
    engine: Engine, repository: Path, chosen: RunnerSettings, base_image: str | None
) -> Image:
    from runner.sandbox.docker.build import build_from_dockerfile

    requirements = repository / _REQUIREMENTS
    if not requirements.is_file():
        raise RequestError(
            f"There is no {requirements}, which says what candidates may import. "
            "Run this in the repository, or name its bot.toml with --settings."
        )
    return build_from_dockerfile(
        engine,
        _new_name(chosen),
        _DOCKERFILE,
        context={"candidate.txt": requirements},
        arguments={} if base_image is None else {"BASE": base_image},
        tell=lambda line: click.echo(line, err=True),
    )


def _new_name(chosen: RunnerSettings) -> str:
    """The name that bot.toml gives, unless that pins what exists already."""
    name = chosen.sandbox.image
    if "@" in name or name.startswith("sha256:"):
        raise RequestError(
            f"sandbox.image in bot.toml is pinned to {name}. Name it without a digest while "
            "you build it, and pin it again afterwards."
        )
    return name
