"""`shortlist model outdated` and `shortlist model update`: what is pinned, against what the Hub has now."""

from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import Interrupted

if TYPE_CHECKING:
    from shortlist.models.update import Age

_COLUMNS = (48, 14, 14)


@click.command(name="outdated")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def outdated(*, models: tuple[str, ...], as_json: bool) -> None:
    """Which pinned models have a newer commit on the Hub, and whether it changed the files that are here."""
    from shortlist.cli.model_host import library_here
    from shortlist.models.cache import hub_cache
    from shortlist.models.update import compare, repositories

    settings = settings_file.load()
    names = repositories(models, library_here(settings), settings.home)
    ages = [compare(repository, settings.home, hub_cache(), say)[0] for repository in names]
    if as_json:
        emit_json("shortlist-outdated", ages)
        return
    for line in table(ages):
        emit(line, asked_ascii=settings.ascii)
    if old := [age for age in ages if age.is_outdated]:
        say(f"next: shortlist model update hf:{old[0].repository}")


def table(ages: "list[Age]") -> list[str]:
    """A line a repository, 80 columns."""
    from shortlist.report.escape import one_line

    if not ages:
        return ["nothing is pinned: shortlist model download MODEL"]
    head = "".join(f"{name:<{width}}" for name, width in zip(("REPOSITORY", "PINNED", "NEWEST"), _COLUMNS, strict=True))
    lines = [head.rstrip()]
    for age in ages:
        newest = age.newest[:12] if age.is_outdated else "the same"
        lines.append(f"{one_line(age.repository, 47):<48}{age.pinned[:12]:<14}{newest:<14}".rstrip())
        if age.is_outdated:
            lines.append(f"  {_changes(age)}")
    return lines


def _changes(age: "Age") -> str:
    if not age.here:
        return "none of its files is here"
    parts = [f"changed: {', '.join(age.changed)}"] if age.changed else []
    parts += [f"gone: {', '.join(age.gone)}"] if age.gone else []
    return "; ".join(parts) or "the files that are here are the same in it"


@click.command(name="update")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--dry-run", is_flag=True, help="Show what would be fetched; fetch nothing.")
@click.option("--parallel", type=click.IntRange(1, 32), default=4, show_default=True, help="Files at once.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def update(*, models: tuple[str, ...], dry_run: bool, parallel: int, as_json: bool) -> None:
    """Bring pinned models to their newest commit: fetched beside the old one, verified, then pinned.

    The old commit stays in use until the new one is whole, and on the disk until `cache prune`.
    """
    from shortlist.cli.model_host import library_here
    from shortlist.models.cache import hub_cache
    from shortlist.models.update import repositories

    settings = settings_file.load()
    root = hub_cache()
    names = repositories(models, library_here(settings), settings.home)
    done = [_update_one(name, settings.home, root, dry_run=dry_run, parallel=parallel) for name in names]
    if as_json:
        emit_json("shortlist-update", done)
        return
    for one in done:
        emit(f"{one['repository']}  {one['told']}", asked_ascii=settings.ascii)


def _update_one(repository: str, home: Path, root: Path, *, dry_run: bool, parallel: int) -> dict[str, object]:
    """One repository, and what happened to it. Raises Interrupted with the command that goes on."""
    from shortlist.cli.downloading import show
    from shortlist.models.download import require_room
    from shortlist.models.transfer import Line
    from shortlist.models.update import compare, update_plan
    from shortlist.models.update import update as carry_over

    age, told = compare(repository, home, root, say)
    step = {"repository": repository, "from": age.pinned, "to": age.newest, "fetched_bytes": 0}
    if not age.is_outdated:
        return {**step, "told": f"{age.pinned[:12]} is the newest"}
    planned = update_plan(age, told, root)
    if dry_run:
        way = f"{age.pinned[:12]} to {age.newest[:12]}"
        return {**step, "told": f"{way}: {units.size(planned.to_fetch_bytes)} would be fetched"}
    require_room([planned], root)
    total = sum(one.size_bytes for one in planned.missing)
    with show(repository, total) as meter:
        try:
            carry_over(planned, told, home, Line(meter, Event()), at_once=parallel)
        except (KeyboardInterrupt, Interrupted):
            raise Interrupted(
                f"stopped: {age.pinned[:12]} stays in use, {units.size(meter.have)} of the new commit are kept",
                hint=f"go on with: shortlist model update hf:{repository}",
            ) from None
    stays = f"; {age.pinned[:12]} stays until `shortlist cache prune`" if age.here else ""
    came = f"{units.size(meter.fetched)} fetched, verified" if age.here else "pinned, none of its files is here"
    return {**step, "fetched_bytes": meter.fetched, "told": f"now at {age.newest[:12]}: {came}{stays}"}
