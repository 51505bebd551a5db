"""The models that we know of: the curated list that ships, the demo models, and what the user's models.json adds.

`catalogue.json` is data: cards whose facts each have a source. No revision and no SHA-256 stands in it that was not
read from a fetched copy; those are resolved at first contact and kept apart (`pins`). A card of a user's models.json
replaces the shipped one of its alias fact by fact, and says so in `sources`.

Seams: `Library.find` is what downloads, the cache commands, `run` and the service ask for a model by name; what lies
where on this host is `refs` and `cache`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import msgspec

from shortlist import demo
from shortlist.errors import BadInput, InvalidFile, InvalidModel, UnknownName
from shortlist.files import convert_strict, read_json
from shortlist.models.adapters import is_adapter
from shortlist.models.listing import Listing, ModelEntry, load_listing
from shortlist.models.names import FORMATS, QUANTISATIONS, Name, parse_name, squeezed
from shortlist.models.pins import load_pins, pinned
from shortlist.records import ModelCard, Variant, from_builtins, to_builtins

FILE = Path(__file__).with_name("catalogue.json")
LISTING_NAME = "models.json"
PREFERRED = ("q4_k_m", "q4_0", "q5_k_m", "q8_0")
"""The quantisation that an alias alone means: the first of these that the card has, else its first variant."""

VARIANT_KEYS = QUANTISATIONS | set(FORMATS)
"""What can tell a variant in a Foundry Local id."""


class CatalogueFile(msgspec.Struct, forbid_unknown_fields=True):
    """catalogue.json: the cards, and the day on which they were last gone through."""

    version: int
    checked: str
    cards: list[ModelCard]


@dataclass(frozen=True, slots=True)
class Found:
    """A card and the variant that a name means. Variant None: the card lists none (its files are not known).

    `path` is set where the name was a path.
    """

    card: ModelCard
    variant: Variant | None
    path: Path | None = None

    @property
    def label(self) -> str:
        """What it is called in tables: the alias with its quantisation, where the card has several variants."""
        if self.variant is None or len(self.card.variants) < 2:
            return self.card.alias
        return f"{self.card.alias}@{variant_key(self.variant)}"


def variant_key(variant: Variant) -> str:
    """How a variant is asked for after `@`."""
    return "onnx" if variant.format == "onnx" else variant.quantisation or variant.format


class Library:
    """Every card that is known here, found by any of its names. `notes` are for people: what was passed over, why."""

    def __init__(self, cards: Iterable[ModelCard], notes: tuple[str, ...] = ()) -> None:
        self.cards = {card.alias: card for card in cards}
        self.notes = notes
        self._by_name: dict[str, str] = {}
        for card in self.cards.values():
            for name in _names(card):
                self._by_name.setdefault(squeezed(name), card.alias)

    def card(self, name: Name) -> ModelCard | None:
        """The card that a parsed alias means; None where nobody knows it."""
        for text in (name.stem + (name.tag or ""), name.stem):
            alias = self._by_name.get(squeezed(text))
            if alias is not None and (text != name.stem or name.tag is None):
                return self.cards[alias]
        bare, _, key = name.stem.rpartition("-") if name.is_foundry else ("", "", "")
        alias = self._by_name.get(squeezed(bare)) if key.lower() in VARIANT_KEYS else None
        return None if alias is None else self.cards[alias]

    def by_repository(self, repository: str) -> ModelCard | None:
        """The card that names this Hub repository as its own or as a variant's."""
        low = repository.lower()
        for card in self.cards.values():
            if low in {(card.repository or "").lower(), *((v.repository or "").lower() for v in card.variants)}:
                return card
        return None

    def find(self, text: str) -> Found:
        """The card and variant behind a typed alias. Raises UnknownName with the nearest names, BadInput."""
        name = parse_name(text)
        card = self.card(name) if name.kind == "alias" else None
        if card is None:
            raise UnknownName("model", text, self.cards, hint="shortlist model list, or give the path of a .gguf file")
        if name.version is not None and str(name.version) != str(card.extra.get("version", name.version)):
            raise BadInput(f"{text}: version {name.version} is not known", hint=f"shortlist model info {card.alias}")
        return Found(card, pick_variant(card, self._wanted(name, card)))

    def _wanted(self, name: Name, card: ModelCard) -> str | None:
        """The variant that a name asks for; in a Foundry Local id it stands before the device, or it is ONNX."""
        if not name.is_foundry or name.wanted != "onnx":
            return name.wanted
        key = name.stem.rpartition("-")[2].lower()
        if squeezed(name.stem) not in self._by_name and key in VARIANT_KEYS:
            return key
        return "onnx" if any(variant.format == "onnx" for variant in card.variants) else None


def pick_variant(card: ModelCard, wanted: str | None) -> Variant | None:
    """The variant of a quantisation or format; without one the preferred. Raises UnknownName naming those there are."""
    if wanted is None:
        by_key = {v.quantisation: v for v in reversed(card.variants) if v.format == "gguf"}
        return next((by_key[q] for q in PREFERRED if q in by_key), card.variants[0] if card.variants else None)
    for variant in card.variants:
        if wanted in (variant.quantisation, variant_key(variant)) or (wanted in FORMATS and wanted == variant.format):
            return variant
    if not card.variants:
        return None
    raise UnknownName(f"variant of {card.alias}", wanted, [variant_key(v) for v in card.variants])


def _names(card: ModelCard) -> Iterable[str]:
    yield card.alias
    yield from card.names
    if card.repository:
        yield card.repository.rpartition("/")[2]


@cache
def shipped_cards() -> tuple[ModelCard, ...]:
    """The curated list, as it ships."""
    return tuple(convert_strict(read_json(FILE), CatalogueFile, FILE).cards)


def demo_cards() -> tuple[ModelCard, ...]:
    """The three demo models' cards."""
    return tuple(read_card(demo.demo_card_path(name)) for name in demo.demo_names())


def read_card(path: Path) -> ModelCard:
    """A model card from its file; unknown keys are refused. Raises InvalidModel naming the place."""
    try:
        return convert_strict(read_json(path), ModelCard, path)
    except InvalidFile as error:
        raise InvalidModel(f"{path} is not a model card: {error.message}", hint=error.hint) from None


def load_library(
    home: Path | None = None, folder: Path | None = None, listing: Path | None = None, *, is_home_trusted: bool = True
) -> Library:
    """The shipped list, the demo models, then models.json of `home`, of `folder`, and a `listing`; later ones override.

    What is pinned in `home` is filled in.

    A models.json in the working folder that is not ours may be another program's: it is passed over and told in
    `notes`. Raises InvalidFile for one in `home`, and for a `listing`, which somebody named. Only that of a home which
    the user chose may name adapters, which are code: a folder may have been downloaded.
    """
    cards = {card.alias: card for card in (*shipped_cards(), *demo_cards())}
    notes: list[str] = []
    usual = [place / LISTING_NAME for place in (home, folder) if place is not None]
    for path in (*filter(Path.is_file, usual), *(() if listing is None else (listing,))):
        try:
            told = load_listing(path)
            is_own = is_home_trusted and home is not None and path == home / LISTING_NAME
            cards |= overlay(cards, told, str(path), takes_code=is_own)
        except InvalidFile as error:
            if path == listing or path.parent == home:
                raise
            notes.append(f"passed over: {error.message}")
    return Library(pinned(cards.values(), load_pins(home)), tuple(notes))


def overlay(
    cards: Mapping[str, ModelCard], listing: Listing, origin: str, *, takes_code: bool = False
) -> dict[str, ModelCard]:
    """The cards of a models.json: new ones, and known ones with what the file says in place of what stood there.

    Raises InvalidFile; for an adapter too, unless this file may name code (`takes_code`).
    """
    found = {alias: _overlaid(cards.get(alias), alias, entry, origin) for alias, entry in listing.entries.items()}
    for alias, entry in listing.entries.items():
        told = (entry.source, found[alias].extra.get("source") if entry.card else None)
        if any(map(is_adapter, told)) and not takes_code:
            raise InvalidFile(
                origin,
                f"$.models.{alias}.source",
                "names an adapter, which is code, and this file may be somebody else's",
                hint=f"shortlist model add {alias} WEIGHTS --adapter module:Class, and leave the source out",
            )
    return found


def _overlaid(known: ModelCard | None, alias: str, entry: ModelEntry, origin: str) -> ModelCard:
    card = known or ModelCard(alias)
    facts = dict(entry.card or {})
    if entry.capabilities:
        facts["capabilities"] = entry.capabilities
    known_facts = {f.name for f in fields(ModelCard)} - {"alias", "schema_version", "sources"}
    for fact in facts:
        if fact not in known_facts:
            unknown = UnknownName("fact of a card", fact, known_facts)
            raise InvalidFile(origin, f"$.models.{alias}.card.{fact}", unknown.message, hint=unknown.hint)
    try:
        told = from_builtins({**to_builtins(card), **facts}, ModelCard)
    except msgspec.ValidationError as error:
        raise InvalidFile(origin, f"$.models.{alias}.card", str(error)) from None
    extra = {**told.extra, **({"source": entry.source} if entry.source else {})}
    is_elsewhere = entry.source is not None and entry.source != alias
    if is_elsewhere and "variants" not in facts and card.variants:
        told, card = replace(told, variants=()), replace(card, variants=())  # what the file names is meant
    if entry.size_mb is not None and not card.variants:
        extra["size_mb"] = entry.size_mb
    return replace(told, sources={**told.sources, **dict.fromkeys(facts, origin)}, extra=extra)
