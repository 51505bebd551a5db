"""`models.json`: which models to compare, in the workshop's bare form or with sources and prompts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from shortlist.errors import InvalidFile
from shortlist.files import convert, read_json
from shortlist.records import Json


class ModelEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One alias: tags and size as the workshop has them, where the model comes from, and facts of a card.

    What stands in `card` goes before what the catalogue says of that alias, fact by fact.
    """

    capabilities: list[str] = []
    size_mb: float | None = None
    source: str | None = None
    card: Json | None = None


class ModelsFile(msgspec.Struct, forbid_unknown_fields=True):
    """The long form of models.json."""

    models: dict[str, ModelEntry]
    version: int = 1
    prompts: str | list[str | Json] | Json | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a models.json says. `prompts` is a path beside it, decoded JSON, or nothing."""

    entries: dict[str, ModelEntry]
    prompts: Path | Any | None


def load_listing(path: Path) -> Listing:
    """The models of a file, in order. Raises InvalidFile naming file, place and what was expected."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise InvalidFile(path, "$", "expected an object {alias: {capabilities, size_mb}} or one with `models`")
    whole = convert(content if "models" in content else {"models": content}, ModelsFile, path)
    if whole.version != 1:
        raise InvalidFile(path, "$.version", f"expected 1, got {whole.version}")
    if not whole.models:
        raise InvalidFile(path, "$", "there is no model in it")
    prompts = path.parent / whole.prompts if isinstance(whole.prompts, str) else whole.prompts
    return Listing({alias: _placed(entry, path.parent) for alias, entry in whole.models.items()}, prompts)


def _placed(entry: ModelEntry, folder: Path) -> ModelEntry:
    """A relative path in `source` counts from the file that says it."""
    source = entry.source
    if source is None or source.startswith("hf:") or not (source.endswith(".gguf") or "/" in source):
        return entry
    return msgspec.structs.replace(entry, source=str(folder / Path(source).expanduser()))
