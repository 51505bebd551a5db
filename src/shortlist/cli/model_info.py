"""`shortlist model info`: what is known of one model, where each fact comes from, whether it fits, what it asks."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.model_list import as_data
from shortlist.cli.output import emit, emit_json, say
from shortlist.records import Json, ModelCard, to_builtins

if TYPE_CHECKING:
    from shortlist.models.rows import Host, Row

_FACTS = ("repository", "family", "parameters", "context_length", "capabilities", "languages", "base_model")
_ACTIONS = {"allow": "allowed", "review": "to be read first", "refuse": "refused"}
_WIDTH = 80


@click.command(name="info")
@click.argument("model")
@click.option("--context", type=click.IntRange(16), help="Tokens of context to count memory with. [4096]")
@click.option("--kv-type", help="Type of the KV cache: f16, q8_0, q4_0, ... [f16]")
@click.option("--licence", "licence_only", is_flag=True, help="Only the licences and what they ask.")
@click.option("--ask-hub", is_flag=True, help="Ask the Hub for revision, sizes and digests, and keep them.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *, model: str, context: int | None, kv_type: str | None, licence_only: bool, ask_hub: bool, as_json: bool
) -> None:
    """One model: facts with their sources, variants, fit, and what its licence asks.

    Works offline, from the catalogue and what is on this host. Only for an hf: name that nothing is known of, the
    header of the file is read on the Hub; and with --ask-hub its revision is resolved, and pinned from then on.
    """
    from shortlist.cli.model_host import host_here, library_here
    from shortlist.engines.asking import checked_kv_type
    from shortlist.models.contact import pin_now
    from shortlist.models.obtain import with_remote_fit
    from shortlist.models.refs import find
    from shortlist.models.rows import make_row

    settings = settings_file.load()
    numbers = checked_kv_type(kv_type or settings.kv_type or "f16")
    library, host = library_here(settings), host_here(settings, context=context, kv_type=numbers)
    found = find(model, library)
    if ask_hub:
        for note in pin_now(found, settings.home):
            say(note)
        found = find(model, library_here(settings))
    row = with_remote_fit(make_row(found, host), host, say)
    if as_json:
        emit_json("shortlist-model", {**as_data(row), "card": row.found.card, **_worked_out(row, host)})
        return
    facts = () if licence_only else (*_fact_lines(row), *_fit_lines(row, host), *_speed_lines(row), *_disk_lines(row))
    for line in (*facts, *_licence_lines(row)):
        emit(line, asked_ascii=settings.ascii)


def _worked_out(row: "Row", host: "Host") -> Json:
    from shortlist.models.licence import chain
    from shortlist.models.obligations import obligations

    return {
        "path": None if row.path is None else str(row.path),
        "fit": row.fit,
        "room": host.room,
        "tokens_per_s_at_most": {str(threads): ceiling for threads, (_, ceiling) in _speed_ceilings(row).items()},
        "licence_chain": [
            {**to_builtins(finding), "asks": obligations(finding.licence)} for finding in chain(row.found.card)
        ],
    }


def _fact_lines(row: "Row") -> Iterator[str]:
    from shortlist.models.catalogue import variant_key

    card = row.found.card
    yield row.found.label + (f": {card.description}" if card.description else "")
    if len({card.alias, *card.names}) > 1:
        yield from _wrapped("also called", ", ".join(card.names), "")
    for fact in _FACTS:
        value = getattr(card, fact)
        if value not in (None, (), ""):
            yield from _wrapped(fact.replace("_", " "), _shown(value), card.sources.get(fact, ""))
    if card.is_gated:
        yield from _wrapped("gated", "yes", card.sources.get("is_gated", ""))
    yield from _shape_lines(card)
    for variant in card.variants:
        size = variant.size_bytes
        place = variant.folder or ", ".join(file.path for file in variant.files)
        told = f"{variant.repository or ''} {place}".strip()
        mark = "  (this one)" if variant == row.found.variant and len(card.variants) > 1 else ""
        yield from _wrapped(
            f"@{variant_key(variant)}", f"{'-' if size is None else units.size(size)}  {told}{mark}", ""
        )
    yield from _wrapped("here", "not on this host" if row.path is None else str(row.path), "")


def _shape_lines(card: ModelCard) -> Iterator[str]:
    shape = card.architecture
    if shape is None:
        return
    told = (
        f"{shape.layers} layers of {shape.width}, {shape.heads} heads and {shape.kv_heads} for keys and values of"
        f" {shape.head_size}, vocabulary {shape.vocabulary:,}"
    )
    if shape.window:
        told += f", {shape.windowed_layers} layers see {shape.window} tokens"
    yield from _wrapped("shape", told, card.sources.get("architecture", ""))


def _fit_lines(row: "Row", host: "Host") -> Iterator[str]:
    fit, there = row.fit, host.room
    if fit is None and row.found.variant is not None and row.found.variant.format == "adapter":
        yield from _wrapped("memory", "not known before a bench: what a class takes, only it can tell", "")
        return
    if fit is None:
        yield from _wrapped("memory", "not known: the card has no shape, and the file is not here", "")
        return
    verdict = "fits" if row.is_fitting else "does not fit"
    yield from _wrapped(
        "memory",
        f"{units.size(fit.needed_bytes)} needed for a context of {fit.load.context} with {fit.load.kv_type} keys and"
        f" values: {verdict} {units.size(there.bytes)} ({there.basis})",
        fit.how,
    )
    parts = f"weights {units.size(fit.weights_bytes)}, keys and values {units.size(fit.kv_bytes)}, compute"
    parts += f" {units.size(fit.compute_bytes)}, vocabulary {units.size(fit.vocabulary_bytes)}, engine"
    yield from _wrapped("", f"{parts} {units.size(fit.engine_bytes)}", "")
    if fit.repacked_bytes:
        yield from _wrapped(
            "",
            f"up to {units.size(fit.resident_bytes)} resident: {units.size(fit.repacked_bytes)} of the weights are"
            " copied into another order, and the file's copy stays cached while there is room",
            "",
        )


def _speed_ceilings(row: "Row") -> dict[int, tuple[float, float]]:
    """Threads → bytes per second as kept for this boot, and the tokens/s that these allow; empty where not known."""
    from shortlist.measure.bandwidth import kept_bandwidths
    from shortlist.models.fit import tokens_per_s_at_most

    kept = {} if row.fit is None else kept_bandwidths(settings_file.load().home)
    return {
        threads: (one.bytes_per_s, tokens_per_s_at_most(row.fit, one.bytes_per_s))
        for threads, one in sorted(kept.items())
        if row.fit is not None
    }


def _speed_lines(row: "Row") -> Iterator[str]:
    for threads, (bytes_per_s, ceiling) in _speed_ceilings(row).items():
        read = f"memory gives {bytes_per_s / 1e9:.1f} GB/s to {units.counted(threads, 'thread')}"
        yield from _wrapped("speed", f"at most {units.rate(ceiling)} tokens/s: {read}", "measured in this boot")


def _disk_lines(row: "Row") -> Iterator[str]:
    """The room on the disk for what is not here."""
    from shortlist.models.cache import hub_cache, room_on_disk

    if row.path is None and row.size_bytes is not None:
        free = room_on_disk(hub_cache())
        verdict = "not known" if free is None else f"{units.size(free)} free in {hub_cache()}"
        short = "" if free is None or free > row.size_bytes else ": too little"
        yield from _wrapped("disk", f"{units.size(row.size_bytes)} to fetch, {verdict}{short}", row.size_basis)


def _licence_lines(row: "Row") -> Iterator[str]:
    from shortlist.models.licence import chain
    from shortlist.models.obligations import obligations

    for finding in chain(row.found.card):
        told = f"{finding.licence or 'not known'} ({finding.licence_class})"
        whose = "licence" if finding.of == row.found.card.alias else f"of {finding.of}"
        yield from _wrapped(whose, told, finding.source)
        if finding.of == row.found.card.alias or finding.licence != row.found.card.licence:
            for task in obligations(finding.licence):
                yield from _wrapped("", f"[ ] {task}", "")
    yield from _wrapped(
        "policy", {"allow": "allowed", "review": "to be read first", "refuse": "refused"}[row.action], ""
    )
    yield "a summary of ours, not legal advice"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _wrapped(name: str, text: str, source: str) -> Iterator[str]:
    """A fact under its name in 80 columns, its source in brackets; strangers' text is shown escaped."""
    from shortlist.report.escape import one_line

    whole = one_line(text) + (f"  [{one_line(source)}]" if source else "")
    head = f"  {name:<15} "
    yield from textwrap.wrap(
        whole, _WIDTH, initial_indent=head, subsequent_indent=" " * 18, break_long_words=True, break_on_hyphens=False
    ) or [head.rstrip()]
