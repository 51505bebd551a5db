"""`shortlist cache verify`: files hashed again; what is broken is fetched again, and only that."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.cache_prune import agree
from shortlist.cli.downloading import show
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import BadInput, HubError
from shortlist.records import Json
from shortlist.report.escape import one_line

if TYPE_CHECKING:
    from shortlist.models.verify import Checked
    from shortlist.settings import Settings


@click.command(name="verify")
@click.argument("models", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only check.")
@click.option("--yes", is_flag=True, help="Fetch what is broken without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, models: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Hash files again and compare them with what they should be; all of them, or those of MODEL.

    What is broken in the Hugging Face cache is fetched again, file by file, and hashed; the rest is not touched. Exit 1
    where something stays broken.
    """
    settings = settings_file.load()
    checked = _check(settings, models)
    bad = [one for one in checked if one.state in ("broken", "missing")]
    if not as_json:
        for one in checked:
            if one.state != "good":
                emit(f"{one.state:<8} {one_line(str(one.path))}: {one.told}", asked_ascii=settings.ascii)
        good = [one for one in checked if one.state == "good"]
        emit(f"{units.counted(len(good), 'file')} good, {units.size(sum(one.size_bytes for one in good))} hashed")
    mended = [] if dry_run or not bad else _mend(bad, yes=yes)
    if as_json:
        emit_json(
            "shortlist-cache-verify",
            {"files": [{**_as_data(one), "path": str(one.path)} for one in checked], "mended": mended},
        )
    if len(mended) < len(bad):
        raise click.exceptions.Exit(1)


def _as_data(one: "Checked") -> Json:
    named = {"repository": one.repository, "name": one.name, "revision": one.revision}
    return {"path": str(one.path), "state": one.state, "told": one.told, "size_bytes": one.size_bytes, **named}


def _check(settings: "Settings", models: tuple[str, ...]) -> "list[Checked]":
    from shortlist.models.cache import hub_cache
    from shortlist.models.hubcache import scan
    from shortlist.models.pins import load_pins
    from shortlist.models.shelf import load_added
    from shortlist.models.verify import total_bytes, verify_added, verify_repository

    cached, added, pins = scan(hub_cache()), dict(load_added(settings.home)), load_pins(settings.home)
    if models:
        names = {name for name in models if name in added}
        wanted = {_repository(settings, name).lower() for name in models if name not in names}
        missing = wanted - {one.name.lower() for one in cached}
        if missing:
            raise BadInput(f"{min(missing)} is not in the cache {hub_cache()}", hint="shortlist cache list")
        cached = [one for one in cached if one.name.lower() in wanted]
        added = {name: one for name, one in added.items() if name in names}
    with _progress(total_bytes(cached, added)) as told:
        found = [one for repo in cached for one in verify_repository(repo, pins.get(repo.name), told)]
        return found + [one for model in added.values() for one in verify_added(model, told)]


def _repository(settings: "Settings", model: str) -> str:
    from shortlist.cli.model_host import library_here
    from shortlist.models.refs import find

    variant = find(model, library_here(settings)).variant
    if variant is None or variant.repository is None:
        raise BadInput(f"{model} is neither in the cache nor added", hint="shortlist cache list")
    return variant.repository


def _mend(bad: "list[Checked]", *, yes: bool) -> list[str]:
    """The places that are good now; each of the others is told with what to do."""
    from shortlist.models.cache import hub_cache
    from shortlist.models.download import fetch_again
    from shortlist.models.transfer import Line

    ours = [one for one in bad if one.repository and one.name and one.revision]
    for one in bad:
        if one not in ours:
            say(f"{one_line(str(one.path))} is a file of yours: get it again, then shortlist model add")
    if not ours:
        return []
    agree(yes=yes, question=f"Fetch {units.counted(len(ours), 'file')} again?")
    mended = []
    for one in ours:
        assert one.repository is not None
        assert one.name is not None
        try:
            with show(one.name, one.size_bytes) as meter:
                fetch_again(one.repository, one.name, one.revision, hub_cache(), Line(meter, Event()))
        except HubError as error:
            say(f"error: {error.message}")
            say(f"  {error.hint or 'again when the Hub can be reached'}: shortlist cache verify --yes")
            continue
        say(one_line(f"mended {one.repository}/{one.name}"))
        mended.append(str(one.path))
    return mended


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """A line that is written over, on a terminal only."""
    if not sys.stderr.isatty() or total < 10**8:
        yield None
        return
    state = {"file": 0, "before": 0}

    def told(done: int) -> None:
        if done < state["file"]:
            state["before"] += state["file"]
        state["file"] = done
        sys.stderr.write(f"\r{units.size(state['before'] + done)} of {units.size(total)}   ")

    yield told
    sys.stderr.write("\r\x1b[K")
