"""`shortlist foundry cache`: location, list, cd, remove."""

import os
from pathlib import Path
from typing import Any

import click

from shortlist import settings as settings_file
from shortlist.cli.foundry_place import as_json_option, cached_ids, entries, reach
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput

_ENVIRONMENT = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME")


@click.command(name="location")
@as_json_option
def location(*, as_json: bool) -> None:
    """Where models lie: of the service, where one runs."""
    from shortlist.models.cache import hub_cache

    found = reach(settings_file.load())
    place = str(hub_cache()) if found is None else found.place()
    if as_json:
        emit_json("shortlist-foundry-cache-location", {"path": place})
    else:
        emit(f"💾 Cache directory path: {place}")


@click.command(name="list")
@as_json_option
def list_cached(*, as_json: bool) -> None:
    """Models that are on this device."""
    settings = settings_file.load()
    aliases = {str(one["name"]): str(one["alias"]) for one in entries(settings)}
    rows = [{"alias": aliases.get(one, ""), "id": one} for one in cached_ids(settings)]
    if as_json:
        emit_json("shortlist-foundry-cache", rows)
        return
    emit("Models cached on device:")
    emit(f"   {'Alias':<30} Model ID")
    for row in rows:
        emit(f"💾 {row['alias']:<30} {row['id']}")


@click.command(name="cd")
@click.argument("path", type=click.Path(path_type=Path))
def change(*, path: Path) -> None:
    """Keep downloaded models in another folder from now on; those that are in the old one stay there."""
    for name in _ENVIRONMENT:
        if os.environ.get(name):
            raise BadInput(
                f"{name} says where models are kept, and goes before what is set here", hint=f"unset {name}, then again"
            )
    place = path.expanduser().resolve()
    if place.exists() and not place.is_dir():
        raise BadInput(f"{place} is not a folder")
    settings = settings_file.load()
    settings_file.write_value(settings.home / settings_file.FILE_NAME, "hub_cache", str(place))
    emit(f"💾 Cache directory path: {place}")
    if reach(settings) is not None:
        say("note: the service that runs keeps the folder that it has; foundry service restart")


@click.command(name="remove")
@click.argument("model")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.pass_context
def remove(context: click.Context, *, model: str, yes: bool) -> Any:
    """Delete a model's files; the cache is shared with other programs, which lose it too."""
    from shortlist.cli.cache_remove import command as remove_here

    found = reach(settings_file.load())
    if found is not None and found.is_remote:
        raise BadInput(f"the files are on the host of {found.url}", hint="remove them there, or unset the endpoint")
    return context.invoke(remove_here, model=model, yes=yes)
