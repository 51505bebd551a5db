"""`shortlist foundry model`: list, info, download, load, unload, run."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from shortlist import settings as settings_file
from shortlist.cli.foundry_place import as_json_option, cached_ids, entries, pick, reach, require
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from shortlist.serve.foundry_client import FoundryClient

Entry = dict[str, Any]
_KEYS: dict[str, Callable[[Entry], str]] = {
    "device": lambda one: str(one["runtime"]["deviceType"]),
    "provider": lambda one: str(one["runtime"]["executionProvider"]),
    "task": lambda one: str(one["task"]),
    "alias": lambda one: str(one["alias"]),
}
_OF_AN_ENGINE = ("threads", "context", "device", "engine", "command", "profile")
"""Settings of an engine of ours: the service has them already."""

_PLAIN = {"system": None, "schema_file": None, "accept_licence": False, "as_json": False}
_COLUMNS = ("Alias", "Device", "Task", "File Size", "License", "Model ID")


@click.command(name="list")
@click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="device, provider, task, alias; ! and *.")
@as_json_option
def list_models(*, filters: tuple[str, ...], as_json: bool) -> None:
    """What can be downloaded or run: each alias with its variants, the one that the alias means first.

    Filter keys: device, provider, task, alias. `!` before the value turns it round, `*` ends the beginning of an alias.
    """
    tests = [parse_filter(text) for text in filters]
    chosen = [one for one in entries(settings_file.load()) if all(test(one) for test in tests)]
    if as_json:
        emit_json("shortlist-foundry-catalogue", chosen)
        return
    for line in table(chosen):
        emit(line)


@click.command(name="info")
@click.argument("model")
@click.option("--license", "licence_only", is_flag=True, help="Its licence, and what that asks.")
@as_json_option
@click.pass_context
def info(context: click.Context, *, model: str, licence_only: bool, as_json: bool) -> Any:
    """One model: what the catalogue has of it."""
    settings = settings_file.load()
    one = pick(model, entries(settings))
    if licence_only and (reach(settings) is None or not require(settings).is_remote):
        from shortlist.cli.model_info import command as show

        return context.invoke(show, model=str(one["name"]), licence_only=True, as_json=as_json)
    if as_json:
        emit_json("shortlist-foundry-model", one)
    elif licence_only:
        emit(f"{one['license']}: {one['licenseDescription']}")
    else:
        for line in (*table([one]), "", *_facts(one)):
            emit(line)
    return 0


@click.command(name="download")
@click.argument("model")
@click.option("--force", is_flag=True, hidden=True)
def download(*, model: str, force: bool) -> None:
    """Fetch a model."""
    obtain(model)
    if force:
        say("note: what is here is not fetched again; shortlist cache verify mends what is broken")


@click.command(name="load")
@click.argument("model")
@click.option("--ttl", type=click.IntRange(1), help="Seconds after which an idle model goes. [the service's]")
def load(*, model: str, ttl: int | None) -> None:
    """Load a model into the service, which is started where none runs."""
    found = require(settings_file.load())
    one = pick(model, found.entries())
    emit(f"🕓 Loading model...\n{one['name']}")
    found.load(str(one["name"]), ttl)
    emit(f"🟢 Model {one['name']} loaded successfully")


@click.command(name="unload")
@click.argument("model")
def unload(*, model: str) -> None:
    """Unload a model; requests in it may finish."""
    settings = settings_file.load()
    found = reach(settings)
    one = pick(model, entries(settings))
    if found is None or one["name"] not in found.loaded():
        emit(f"Model {one['name']} is not loaded")
        return
    found.unload(str(one["name"]))
    emit(f"🟢 Model {one['name']} was unloaded successfully")


@click.command(name="run")
@click.argument("model")
@click.option("--prompt", help="Ask this once, and stop.")
def run(*, model: str, prompt: str | None) -> None:
    """Fetch a model where it is not here, load it into the service, and ask it: once, or in the terminal."""
    from shortlist.cli.model_run import converse

    one, found = obtain(model)
    settings = settings_file.load()
    found = found or require(settings)
    found.load(str(one["name"]))
    asked = settings.without(*_OF_AN_ENGINE).with_flags({"endpoint": f"{found.url}/v1"})
    converse(asked, {"model": str(one["name"]), "question": prompt, **_PLAIN})


def obtain(model: str) -> "tuple[Entry, FoundryClient | None]":
    """A model on the host of its service; the service, where one runs."""
    settings = settings_file.load()
    found = reach(settings)
    one = pick(model, entries(settings))
    name = str(one["name"])
    if name in cached_ids(settings):
        emit(f"Model {name} was found in the local cache.")
        return one, found
    emit(f"Downloading {name}...")
    if found is not None and found.is_remote:
        found.download(name, _Told())
    else:
        from shortlist.cli.model_download import fetch_one, prepare_all
        from shortlist.models.cache import hub_cache
        from shortlist.models.download import require_room
        from shortlist.models.obtain import Asked

        (planned,) = prepare_all((name,), settings, Asked())
        if planned is not None:
            require_room([planned], hub_cache())
            fetch_one(name, planned, 4)
    emit(f"Model {name} was downloaded successfully.")
    return one, found


class _Told:
    """A line for each tenth of a download on another host."""

    def __init__(self) -> None:
        self._next = 10.0

    def __call__(self, percent: float) -> None:
        if percent >= self._next:
            say(f"{percent:.1f} %")
            self._next = percent - percent % 10 + 10


def parse_filter(text: str) -> Callable[[Entry], bool]:
    """One `key=value`. Raises BadInput, and UnknownName for a key that there is not."""
    key, sign, value = text.partition("=")
    key, value = key.strip().lower(), value.strip().lower()
    if not sign or not value.strip("!*"):
        raise BadInput(f"{text!r} is not a filter", hint="write it like --filter device=CPU or --filter alias=qwen*")
    if key not in _KEYS:
        raise UnknownName("filter", key, _KEYS)
    turned, value = value.startswith("!"), value.removeprefix("!")
    if "*" in value and (key != "alias" or value.index("*") != len(value) - 1):
        raise BadInput(f"{text!r}: * stands at the end of an alias alone", hint="--filter alias=qwen*")
    read = _KEYS[key]

    def passes(one: Entry) -> bool:
        found = read(one).lower()
        return (found.startswith(value[:-1]) if value.endswith("*") else found == value) != turned

    return passes


def table(listed: list[Entry]) -> list[str]:
    """Foundry Local's columns: as wide as what stands in them. Variants follow under their alias."""
    if not listed:
        return ["No models found"]
    rows = [_row(one) for one in listed]
    widths = [max(len(row[place]) for row in (_COLUMNS, *rows)) for place in range(len(_COLUMNS))]
    head = _joined(_COLUMNS, widths)
    lines, last = [head, "-" * len(head)], ""
    for row in rows:
        lines.append(_joined(("" if row[0] == last else row[0], *row[1:]), widths))
        last = row[0]
    return lines


def _row(one: Entry) -> tuple[str, ...]:
    from shortlist.report.escape import one_line

    size = one["fileSizeMb"]
    shown = "-" if not size else f"{size / 1000:.2f} GB" if size >= 1000 else f"{size} MB"
    texts = (one["alias"], one["runtime"]["deviceType"], one["task"], shown, one["license"], one["name"])
    return tuple(one_line(str(text), 80) for text in texts)


def _joined(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _facts(one: Entry) -> list[str]:
    shown = {
        "Display Name": one["displayName"], "Model Type": one["modelType"], "Publisher": one["publisher"],
        "URI": one["uri"], "Version": one["version"], "Tool Calling": "yes" if one["supportsToolCalling"] else "no",
        "Context": one["maxOutputTokens"] or "unknown",
    }  # fmt: skip
    return [f"{name + ':':<15}{value}" for name, value in shown.items()]
