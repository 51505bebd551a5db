"""What a client can ask for by name here: every variant whose files are on this host."""

from collections.abc import Iterator
from pathlib import Path

from shortlist.engines import ADAPTER
from shortlist.models.adapters import is_adapter
from shortlist.models.catalogue import Found, Library
from shortlist.models.refs import local_path, place_of
from shortlist.records import ModelCard, Variant
from shortlist.serve.lease import Listed


def listed(library: Library, loaded: frozenset[str]) -> tuple[Listed, ...]:
    """The models that are here, in the library's order; a card's preferred variant is listed under its own name too."""
    return tuple(_entry(found, path, loaded) for found, path in here(library))


def entry(found: Found, label: str, loaded: frozenset[str]) -> Listed:
    """One of them, by what was found behind a name."""
    return _entry(found, local_path(found), loaded, label)


def here(library: Library) -> Iterator[tuple[Found, Path | None]]:
    """Every variant whose files are on this host, with the place of the first."""
    for card in library.cards.values():
        for variant in _variants(card):
            found = Found(card, variant)
            path = place_of(found, library)
            if path is not None or str(card.extra.get("source", "")).startswith("fake:"):
                yield found, path


def _variants(card: ModelCard) -> tuple[Variant | None, ...]:
    return card.variants or (None,)


def _entry(found: Found, path: Path | None, loaded: frozenset[str], label: str | None = None) -> Listed:
    name = label or found.label
    owner = (found.card.repository or "").partition("/")[0] or "shortlist"
    return Listed(
        id=name,
        created=0 if path is None else int(path.stat().st_mtime),
        owned_by=owner,
        context=found.card.context_length,
        format=found.variant.format if found.variant else ADAPTER if is_adapter(path) else None,
        is_loaded=name in loaded,
    )
