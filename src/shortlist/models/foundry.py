"""Models as Foundry Local's clients see them: their ids, the catalogue's entries, and which one a name means.

    qwen2.5-0.5b-q8_0-generic-cpu:1
    ~~~~~~~~~~~~ ~~~~ ~~~~~~~~~~~ ~
    alias        key  device      version

The key stands only where it is needed: without one, the ONNX variant is meant where the model has one, else what the
alias alone means. The device is `generic-gpu` where the setting `device` is gpu, else `generic-cpu`. The version is
the card's (`extra.version`), else 1. `names.parse_name` and `Library.find` read these ids back, wherever a model is
named; versions that are not known are told, except where a card has none of its own.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shortlist.errors import UnknownName
from shortlist.models.catalogue import Found, Library, pick_variant, variant_key
from shortlist.models.licence import LicenceFinding, find_licence
from shortlist.models.policy import Policy
from shortlist.models.refs import place_of
from shortlist.models.rows import ordered, size_of
from shortlist.models.spdx import to_spdx
from shortlist.records import ModelCard, Variant

Listed = TypeVar("Listed")

_PROVIDERS = {"CPU": "CPUExecutionProvider", "GPU": "WebGpuExecutionProvider"}
_TASKS = {"embeddings": "embeddings", "embedding": "embeddings"}
_VERSION = re.compile(r":(\d+)$")


class Runtime(msgspec.Struct, rename="camel", frozen=True):
    """Where a model computes. The provider is the name that clients know for the device, whatever engine it is."""

    device_type: str
    execution_provider: str


class Entry(msgspec.Struct, rename="camel", frozen=True):
    """One variant in `/foundry/list`. `name` is the id; what is not known is 0, empty or null, as clients expect it."""

    name: str
    display_name: str
    model_type: str
    provider_type: str
    uri: str
    version: str
    publisher: str
    task: str
    runtime: Runtime
    file_size_mb: int
    alias: str
    supports_tool_calling: bool
    license: str
    license_description: str
    prompt_template: dict[str, str] | None = None
    model_settings: dict[str, list[dict[str, Any]]] = msgspec.field(default_factory=lambda: {"parameters": []})
    parent_model_uri: str = ""
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant and its entry. `path` None: it is not on this host."""

    found: Found
    entry: Entry
    path: Path | None

    @property
    def id(self) -> str:
        """Its id."""
        return self.entry.name


def offers(library: Library, policy: Policy, device: str = "cpu") -> list[Offer]:
    """Everything that the licence policy does not refuse: aliases in the library's order, each variant in the order in
    which the alias prefers them.
    """
    found = []
    for card in library.cards.values():
        licence = find_licence(card)
        if policy.action(card, licence) != "refuse":
            found += [_offer(Found(card, variant), licence, library, device) for variant in _by_preference(card)]
    return found


def foundry_id(found: Found, device: str = "cpu") -> str:
    """The id of a variant."""
    card, variant = found.card, found.variant
    key = ""
    if variant is not None and len(card.variants) > 1 and variant != _plain(card):
        key = f"-{variant_key(variant)}"
    return f"{card.alias}{key}-generic-{device}:{card.extra.get('version', 1)}"


def choose(text: str, listed: Sequence[Offer], library: Library) -> Offer:
    """The offer that a client's name means. Raises UnknownName, BadInput.

    The exact id, else the highest version of an id, else an alias's first; else any name that resolves here.
    """
    meant = by_name(text, listed, lambda one: one.id, lambda one: one.entry.alias)
    if meant is not None:
        return meant
    found = library.find(text)
    same = [one for one in listed if one.found == found]
    if not same:
        raise UnknownName("model", text, (one.id for one in listed))
    return same[0]


def by_name(
    text: str, listed: Sequence[Listed], id_of: Callable[[Listed], str], alias_of: Callable[[Listed], str]
) -> Listed | None:
    """The one that a name means, as the old clients look it up; None: none."""
    wanted = text.strip().lower()
    exact = [one for one in listed if id_of(one).lower() == wanted]
    versions = [one for one in listed if id_of(one).lower().startswith(f"{wanted}:")]
    aliases = [one for one in listed if alias_of(one).lower() == wanted]
    versions.sort(key=lambda one: _version(id_of(one)), reverse=True)
    return next((group[0] for group in (exact, versions, aliases) if group), None)


def _offer(found: Found, licence: LicenceFinding, library: Library, device: str) -> Offer:
    card, variant, path = found.card, found.variant, place_of(found, library)
    size = size_of(found, path)[0]
    name = foundry_id(found, device)
    repository = (variant.repository if variant else None) or card.repository or ""
    entry = Entry(
        name=name,
        display_name=_VERSION.sub("", name),
        model_type="ONNX" if variant is not None and variant.format == "onnx" else "GGUF",
        provider_type="Shortlist",
        uri=_uri(found, repository),
        version=str(card.extra.get("version", 1)),
        publisher=repository.partition("/")[0] or "shortlist",
        task=next((_TASKS[one] for one in card.capabilities if one in _TASKS), "chat-completion"),
        runtime=Runtime(device.upper(), _PROVIDERS[device.upper()]),
        file_size_mb=0 if size is None else max(1, round(size / 1e6)),
        alias=card.alias,
        supports_tool_calling="tools" in card.capabilities,
        license=to_spdx(licence.licence).text if licence.licence else "unknown",
        license_description=f"{licence.licence_class}; shortlist model info {card.alias} --licence",
        max_output_tokens=card.context_length,
    )
    return Offer(found, entry, path)


def _uri(found: Found, repository: str) -> str:
    """Where it comes from, for people: nothing that a client sends back is followed."""
    variant = found.variant
    if variant is None or not repository:
        return f"shortlist:{found.card.alias}"
    place = variant.folder or (variant.files[0].path if variant.files else "")
    return f"hf:{repository}/{place}".rstrip("/")


def _by_preference(card: ModelCard) -> Iterable[Variant | None]:
    """What the alias alone means comes first."""
    first = pick_variant(card, None)
    return (first, *(variant for variant in ordered(card) if variant != first)) if card.variants else (None,)


def _plain(card: ModelCard) -> Variant | None:
    """The variant whose id has no key."""
    return next((one for one in card.variants if one.format == "onnx"), pick_variant(card, None))


def _version(name: str) -> int:
    match = _VERSION.search(name)
    return int(match[1]) if match else -1
