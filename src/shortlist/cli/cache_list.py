"""`shortlist cache list` and `cache location`."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.records import Json, to_builtins

if TYPE_CHECKING:
    from shortlist.models.inventory import Entry
    from shortlist.settings import Settings


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> None:
    """Models on this disk: alias, id, size, last use, complete or not.

    Sizes count a file once that several revisions share. A date with ~ before it is the disk's access time, which other
    programs change too; without, it is the last time that we opened the model. Works offline.
    """
    settings = settings_file.load()
    entries = entries_here(settings)
    if as_json:
        emit_json("shortlist-cache", [as_data(entry) for entry in entries])
        return
    if entries:
        emit(f"{'MODEL':<40} {'SIZE':>8}  {'LAST USED':>11}  STATE")
    for entry in entries:
        for line in lines(entry):
            emit(line, asked_ascii=settings.ascii)
    total = sum(entry.size_bytes for entry in entries)
    emit(f"{units.counted(len(entries), 'entry').replace('entrys', 'entries')}, {units.size(total)}")


@click.command(name="location")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def location(*, as_json: bool) -> None:
    """Where models lie, and the room that is left there."""
    import os

    from shortlist.models.cache import hub_cache, room_on_disk
    from shortlist.models.moving import store_folder

    settings = settings_file.load()
    source = next((name for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME") if os.environ.get(name)), "")
    places = [
        ("hub", hub_cache(), source or "default", "Hugging Face cache, shared with other programs"),
        ("store", store_folder(settings), settings.source("store"), "our own copies (model add --copy)"),
    ]
    if as_json:
        emit_json(
            "shortlist-cache-location",
            [
                {"place": name, "path": str(path), "source": origin, "exists": path.is_dir(),
                 "free_bytes": room_on_disk(path)}
                for name, path, origin, _ in places
            ],
        )  # fmt: skip
        return
    for name, path, origin, about in places:
        free = room_on_disk(path)
        told = "" if free is None else f"; {units.size(free)} free"
        emit(f"{name:<6} {path}", asked_ascii=settings.ascii)
        emit(
            f"       {about} ({origin}){told if path.is_dir() else told + '; not there yet'}",
            asked_ascii=settings.ascii,
        )


def entries_here(settings: "Settings") -> "list[Entry]":
    """Everything that takes space; a cache that is not there is told."""
    from shortlist.cli.model_host import library_here
    from shortlist.models.cache import hub_cache
    from shortlist.models.hubcache import scan
    from shortlist.models.inventory import inventory
    from shortlist.models.moving import store_folder
    from shortlist.models.shelf import load_added
    from shortlist.models.usage import load_used

    root = hub_cache()
    if not root.is_dir():
        say(f"note: there is no Hugging Face cache at {root} yet")
    home = settings.home
    return inventory(scan(root), load_added(home), library_here(settings), load_used(home), store_folder(settings))


def lines(entry: "Entry") -> list[str]:
    """One entry in at most 80 columns: what it is called and its figures, then its id where that is another name."""
    from shortlist.report.escape import one_line

    used = (
        "-" if entry.last_used is None else ("~" if entry.last_used_by == "access time" else "") + entry.last_used[:10]
    )
    state = "complete" if entry.problem is None else "not complete"
    name = one_line(entry.alias or entry.id, 40)
    first = f"{name:<40} {units.size(entry.size_bytes):>8}  {used:>11}  {state}"
    more = [] if entry.alias is None else [f"    {one_line(entry.id, 75)}"]
    more += [] if entry.problem is None else [f"    {one_line(entry.problem, 75)}"]
    return [first, *more]


def as_data(entry: "Entry") -> Json:
    """An entry as JSON."""
    found: Json = to_builtins(replace(entry, paths=()))
    return {**found, "paths": [str(path) for path in entry.paths], "is_complete": entry.is_complete}
