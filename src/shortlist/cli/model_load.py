"""`shortlist model load` and `unload`: of the running service."""

from typing import Any

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput


@click.command(name="load")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, model: str, as_json: bool) -> None:
    """Have the service load a model now, so that the first request does not wait for it."""
    from shortlist.serve import client
    from shortlist.serve.files import Files

    found = client.require(Files(settings_file.load().home))
    say(f"loading {model}")
    row = found.load(model)
    if as_json:
        emit_json("shortlist-service-model", row)
        return
    took = "" if row["load_ns"] is None else f", loaded in {units.duration(row['load_ns'])}"
    emit(f"{row['model']} is {row['state']}, {_memory(row)}{took}")


@click.command(name="unload")
@click.argument("model", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every model.")
@click.option("--force", is_flag=True, help="Do not wait for the requests in it: they fail.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def unload(*, model: str | None, is_all: bool, force: bool, as_json: bool) -> None:
    """Have the service unload a model, and free its memory. Requests in it may finish. It is pinned no more."""
    from shortlist.serve import client
    from shortlist.serve.files import Files

    if (model is None) != is_all:
        raise BadInput("name a model, or say --all", hint="shortlist service ps shows what is loaded")
    rows = client.require(Files(settings_file.load().home)).unload(model, force=force)
    if as_json:
        emit_json("shortlist-service-models", rows)
        return
    for row in rows:
        emit(f"{row['model']} is unloaded" if row["state"] != "ready" else f"{row['model']} was asked for again")
    if not rows:
        emit("nothing was loaded")


def _memory(row: dict[str, Any]) -> str:
    if row["memory_bytes"] is None:
        return "of unknown memory"
    return f"{units.size(row['memory_bytes'])} of memory ({row['memory_basis']})"
