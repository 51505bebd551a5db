"""`shortlist model download`: models into the shared Hugging Face cache, resumed and verified."""

import asyncio
from threading import Event
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import Interrupted

if TYPE_CHECKING:
    from shortlist.models.download import Plan
    from shortlist.models.obtain import Asked
    from shortlist.settings import Settings


@click.command(name="download")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--dry-run", is_flag=True, help="Show what would be fetched; fetch and pin nothing.")
@click.option("--at", "at_text", metavar="HH:MM", help="Wait for this hour of the local clock first.")
@click.option("--accept-licence", is_flag=True, help="You have read what the licence policy wants read; it is kept.")
@click.option("--anyway", is_flag=True, help="Fetch also what needs more memory than this host has.")
@click.option("--parallel", type=click.IntRange(1, 32), default=4, show_default=True, help="Files at once.")
@click.option("--xet", "by_xet", is_flag=True, help="Through huggingface_hub's Xet, where the Hub offers it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    models: tuple[str, ...],
    dry_run: bool,
    at_text: str | None,
    accept_licence: bool,
    anyway: bool,
    parallel: int,
    by_xet: bool,
    as_json: bool,
) -> None:
    """Fetch models into the Hugging Face cache that every tool shares.

    A download that breaks off goes on where it was, by itself or by the same command. Every file is verified before it
    can be seen. HF_TOKEN, HF_ENDPOINT, HF_HUB_CACHE and HF_HUB_OFFLINE are honoured.
    """
    from shortlist.cli.waiting import parse_at, wait_until
    from shortlist.clock import SYSTEM
    from shortlist.models.cache import hub_cache
    from shortlist.models.download import require_room
    from shortlist.models.obtain import Asked

    settings, when = settings_file.load(), None if at_text is None else parse_at(at_text)
    asked = Asked(accept_licence, anyway, not dry_run, by_xet)
    plans = prepare_all(models, settings, asked)
    require_room([one for one in plans if one is not None], hub_cache())
    if when is not None and not dry_run:
        asyncio.run(wait_until(when, SYSTEM, say))
    done = [
        _here(name, settings) if one is None else outcome(one, 0) if dry_run else fetch_one(name, one, parallel)
        for name, one in zip(models, plans, strict=True)
    ]
    if as_json:
        emit_json("shortlist-download", done)
        return
    for one in done:
        for line in told(one, dry_run=dry_run):
            emit(line, asked_ascii=settings.ascii)
    if not dry_run:
        say(f"next: shortlist model run {models[0]}, or shortlist bench {' '.join(models)}")


def prepare_all(models: tuple[str, ...], settings: "Settings", asked: "Asked") -> "list[Plan | None]":
    """Each model's plan, judged by policy, memory and the Hub; None for what is here without one."""
    from shortlist.cli.model_host import host_here, library_here
    from shortlist.models.obtain import Buyer, prepare

    buyer = Buyer(library_here(settings), host_here(settings), settings.home, say)
    return [prepare(name, buyer, asked) for name in models]


def fetch_one(name: str, planned: "Plan", parallel: int) -> dict[str, object]:
    """One model fetched, verified and named. Raises Interrupted with the command that goes on."""
    from shortlist.cli.downloading import show
    from shortlist.models.download import carry_out
    from shortlist.models.transfer import Line

    for path in planned.left_out:
        say(f"note: {path} is not fetched: only GGUF, ONNX, safetensors and plain data are")
    total = sum(one.size_bytes for one in planned.missing)
    with show(planned.label, total) as meter:
        try:
            carry_out(planned, Line(meter, Event()), at_once=parallel)
        except (KeyboardInterrupt, Interrupted):
            raise Interrupted(
                f"stopped: {units.size(meter.have)} of {units.size(total)} of {planned.label} are kept",
                hint=f"go on with: shortlist model download {name}",
            ) from None
    return outcome(planned, meter.fetched)


def outcome(planned: "Plan", fetched_bytes: int) -> dict[str, object]:
    """A model's files for --json, and what came over the line."""
    return {
        "model": planned.label,
        "repository": planned.blobs.repository,
        "revision": planned.revision,
        "total_bytes": planned.total_bytes,
        "to_fetch_bytes": planned.to_fetch_bytes,
        "fetched_bytes": fetched_bytes,
        "is_here": planned.is_done,
        "files": [
            {"path": one.path, "size_bytes": one.size_bytes, "sha256": one.sha256, "git_id": one.git_id, "place": place}
            for one, place in zip(planned.files, map(str, planned.paths), strict=True)
        ],
    }


def _here(name: str, settings: "Settings") -> dict[str, object]:
    """A model that is here without the Hub."""
    from shortlist.cli.model_host import library_here
    from shortlist.models.refs import find, place_of

    library = library_here(settings)
    place = str(place_of(find(name, library), library))
    return {"model": name, "is_here": True, "fetched_bytes": 0, "to_fetch_bytes": 0, "files": [{"place": place}]}


def told(one: dict[str, object], *, dry_run: bool) -> list[str]:
    """A model's line or two: what came, or would come, and where it lies."""
    from shortlist.report.escape import one_line

    files: list[dict[str, object]] = one["files"]  # type: ignore[assignment]
    place = one_line(str(files[0]["place"]), 400)
    total, left, came = (units.size(float(str(one.get(key, 0)))) for key in _BYTES)
    if not one["is_here"] or dry_run:
        state = f"{left} of {total} would be fetched" if one["to_fetch_bytes"] else "is here already"
    else:
        state = f"{came} fetched, verified" if one["fetched_bytes"] else "is here already"
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return [f"{one['model']}  {state}", f"  {place}{more}"]


_BYTES = ("total_bytes", "to_fetch_bytes", "fetched_bytes")
