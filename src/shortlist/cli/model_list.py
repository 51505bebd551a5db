"""`shortlist model list`: the models that are known here, a line each; nothing is asked of any network."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json, say
from shortlist.records import Json

if TYPE_CHECKING:
    from shortlist.models.rows import Row

SHORT_CLASS = {"community-conditional": "community", "use-restricted": "restricted"}
"""Class names as a table of 80 columns has room for them."""


@click.command(name="list")
@click.option("--filter", "filters", multiple=True, help="KEY=VALUE, 'size<2GB', alias=qwen*; ! turns it round.")
@click.option("--fits", is_flag=True, help="Only what fits the memory here.")
@click.option("--cached", is_flag=True, help="Only what is on this host.")
@click.option("--loaded", is_flag=True, help="Only what the service has loaded, as service ps shows it.")
@click.option("--variants", is_flag=True, help="Every variant, not one for each model.")
@click.option("--context", type=click.IntRange(16), help="Tokens of context to count memory with. [4096]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *,
    filters: tuple[str, ...],
    fits: bool,
    cached: bool,
    loaded: bool,
    variants: bool,
    context: int | None,
    as_json: bool,
) -> None:
    """Models that are known here: the catalogue, the demo models, models.json.

    Filter keys: alias, capability, family, format, quantisation, licence (commercial, a class, an SPDX name), language,
    size, parameters, context, cached, fits, gated. Several --filter must all pass. Works offline.
    """
    if loaded:
        from shortlist.cli.service_status import show_loaded

        show_loaded(as_json=as_json)
        return
    from shortlist.cli.model_host import host_here, library_here
    from shortlist.models.filters import parse_filter
    from shortlist.models.rows import one_a_card, rows

    tests = [parse_filter(text) for text in filters]
    tests += [parse_filter("fits=yes")] if fits else []
    tests += [parse_filter("cached=yes")] if cached else []
    settings = settings_file.load()
    host = host_here(settings, context=context)
    passes: Callable[[Row], bool] = lambda row: all(test(row.facts) for test in tests)  # noqa: E731 - one expression
    listed = list(rows(library_here(settings), host))
    chosen = [row for row in listed if passes(row)] if variants else one_a_card(listed, passes)
    shown = [row for row in chosen if row.action != "refuse"]
    refused = [row for row in chosen if row.action == "refuse"]
    if as_json:
        told = [f"{row.found.label}: refused by {host.policy.origin}" for row in refused]
        emit_json("shortlist-models", [as_data(row) for row in shown], told)
        return
    for line in table(shown):
        emit(line, asked_ascii=settings.ascii)
    if refused:
        say(f"{units.counted(len(refused), 'model')} not shown: refused by {host.policy.origin}")
    say(
        f"{units.counted(len(shown), 'model')}, memory for a context of {host.load.context} against"
        f" {units.size(host.room.bytes)} ({host.room.basis}); from what is on this host, nothing was asked"
    )


def table(listed: Sequence["Row"]) -> list[str]:
    """Lines of at most 80 columns; `~` stands before what is estimated."""
    if not listed:
        return ["no model passes"]
    head = f"{'MODEL':<37}{'SIZE':>7} {'NEEDS':>7} {'CTX':>5}  {'LICENCE':<15}STATE"
    return [head, *map(_line, listed)]


def _line(row: "Row") -> str:
    from shortlist.report.escape import one_line

    card = row.found.card
    size = "-" if row.size_bytes is None else ("~" if row.size_basis else "") + _compact(row.size_bytes)
    needs = "-" if row.fit is None else _compact(row.fit.needed_bytes)
    context = "-" if card.context_length is None else f"{card.context_length / 1024:.3g}k"
    licence = SHORT_CLASS.get(row.licence.licence_class, row.licence.licence_class)
    state = "here" if row.path else "large" if row.is_fitting is False else "review" if row.action == "review" else ""
    name = one_line(row.found.label, 36)
    return f"{name:<37}{size:>7} {needs:>7} {context:>5}  {licence:<15}{state}".rstrip()


def _compact(count: float) -> str:
    return units.size(count).replace(" ", "")


def as_data(row: "Row") -> Json:
    """A row as JSON: the card's facts, the variant, and what was worked out for this host."""
    card, variant, fit = row.found.card, row.found.variant, row.fit
    return {
        "name": row.found.label,
        "alias": card.alias,
        "repository": (variant.repository if variant else None) or card.repository,
        "format": variant.format if variant else None,
        "quantisation": variant.quantisation if variant else None,
        "size_bytes": row.size_bytes,
        "size_basis": row.size_basis or (variant.source if variant else None),
        "parameters": card.parameters,
        "context_length": card.context_length,
        "capabilities": card.capabilities,
        "licence": card.licence,
        "licence_class": row.licence.licence_class,
        "licence_of": row.licence.of,
        "policy": row.action,
        "is_cached": row.path is not None,
        "memory_bytes": None if fit is None else fit.needed_bytes,
        "memory_basis": None if fit is None else fit.how,
        "is_fitting": row.is_fitting,
    }
