"""`shortlist model search`: the Hub, asked; without it, what is known here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from shortlist import settings as settings_file
from shortlist.cli.output import emit, emit_json, say
from shortlist.errors import HubError

if TYPE_CHECKING:
    from shortlist.models.catalogue import Library
    from shortlist.models.hub import Hit


@click.command(name="search")
@click.argument("text")
@click.option("--format", "form", type=click.Choice(["gguf", "onnx"]), help="Only repositories with such files.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Most lines.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, text: str, form: str | None, limit: int, as_json: bool) -> None:
    """Ask the Hub for models: formats, parameters, downloads, licence, gated.

    HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured. Offline, what is known here is searched, and that is said.
    """
    from shortlist.cli.model_host import library_here
    from shortlist.models import hub

    settings = settings_file.load()
    notes = ["HF_HUB_OFFLINE is set, the Hub was not asked; this is what is known here"] if hub.is_offline() else []
    try:
        hits = [] if notes else hub.search(text, form=form, limit=limit)
    except HubError as error:
        notes = [f"{error.message}; this is what is known here"]
    if notes:
        hits = known_here(text, form, library_here(settings))[:limit]
    if as_json:
        emit_json("shortlist-model-search", hits, notes)
        return
    for note in notes:
        say(f"note: {note}")
    for line in table(hits):
        emit(line, asked_ascii=settings.ascii)
    if hits and not notes:
        say(f"next: shortlist model info hf:{hits[0].repository}")


def known_here(text: str, form: str | None, library: "Library") -> "list[Hit]":
    """Cards of which every word is in a name, the repository or the description."""
    from shortlist.models.hub import Hit

    found = []
    for card in library.cards.values():
        words = " ".join((card.alias, *card.names, card.repository or "", card.description, *card.capabilities)).lower()
        formats = tuple(dict.fromkeys(variant.format for variant in card.variants))
        if all(word in words for word in text.lower().split()) and (form is None or form in formats):
            repository = card.repository or card.alias
            found.append(Hit(repository, formats, card.parameters, None, card.licence, bool(card.is_gated), None))
    return found


def table(hits: "Sequence[Hit]") -> list[str]:
    """Lines of at most 80 columns; a stranger's name is shown escaped."""
    from shortlist.report.escape import one_line

    if not hits:
        return ["nothing was found"]
    lines = [f"{'REPOSITORY':<43}{'FORMAT':<10}{'PARAMS':>6} {'LOADS':>6} LICENCE"]
    for hit in hits:
        formats = ",".join(hit.formats) or "-"
        licence = one_line(hit.licence or "-", 12) + ("*" if hit.is_gated else "")
        name = one_line(hit.repository, 42)
        lines.append(f"{name:<43}{formats:<10}{_count(hit.parameters):>6} {_count(hit.downloads):>6} {licence}")
    return [*lines, "* gated: its terms must be accepted on its page"] if any(hit.is_gated for hit in hits) else lines


def _count(number: int | None) -> str:
    if number is None:
        return "-"
    for divisor, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= divisor:
            return f"{number / divisor:.3g}{unit}"
    return str(number)
