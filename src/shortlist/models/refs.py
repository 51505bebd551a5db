"""The one resolver: from a typed name to a model that is here, or to what is known of it.

`find` says what a name means, without a file being there; `resolve` gives the file, or says how to get it. `bench`,
`model info` and the rest all come through here.
Seam: `resolve` raises NotDownloaded for a model that is known and not cached; what downloads asks `find`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from shortlist import demo, gguf
from shortlist.errors import BadInput, InvalidModel, NotDownloaded, UnknownName
from shortlist.modelfile import sha256_file
from shortlist.models import cache
from shortlist.models.adapters import SUFFIX, adapter_variant, is_adapter, read_adapter
from shortlist.models.catalogue import Found, Library, load_library, pick_variant, read_card
from shortlist.models.names import Name, parse_name
from shortlist.onnxfolder import CONFIG_NAME, is_onnx_folder, read_folder
from shortlist.records import ModelCard, ModelFile, Variant

__all__ = ["ResolvedModel", "find", "known_names", "local_path", "place_of", "read_card", "resolve"]


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that is there: its label, its artefact by digest, and where that lies on this host."""

    label: str
    variant: Variant
    path: Path | None
    card: ModelCard | None = None


def find(text: str, library: Library | None = None) -> Found:
    """What a name means: card and variant. A path is read for it; a Hub name needs no card of ours.

    Raises UnknownName with the nearest names, BadInput for what cannot be a name, InvalidModel for a broken file.
    """
    library = load_library() if library is None else library
    name = parse_name(text)
    if _is_path(name, library):
        path = Path(text).expanduser()
        if is_onnx_folder(path):
            return _of_folder(path)
        if is_adapter(path):
            return Found(_card_of_adapter(path), adapter_variant(read_adapter(path), is_hashed=False), path)
        return Found(*_card_of_file(path), path)
    if name.kind == "hub":
        return _of_hub(name, library)
    return library.find(text)


def resolve(text: str, library: Library | None = None) -> ResolvedModel:
    """The model behind a name, its header read and its file digested.

    Raises UnknownName, InvalidModel, and NotDownloaded for one that is known and whose files are not here.
    """
    library = load_library() if library is None else library
    if _is_path(parse_name(text), library):
        typed = Path(text).expanduser()
        if is_onnx_folder(typed):
            return _from_folder(_of_folder(typed), typed)
        if is_adapter(typed):
            variant = adapter_variant(read_adapter(typed))
            card = _card_of_adapter(typed)
            return ResolvedModel(card.alias, variant, typed.resolve(), card)
        return _from_file(typed)
    found = find(text, library)
    if (source := found.card.extra.get("source")) is not None and not found.card.variants:
        return replace(_from_source(text, str(source), library), label=found.card.alias, card=found.card)
    path = local_path(found)
    if path is None and found.variant is None:
        raise NotDownloaded(
            f"{text} is named, and nothing says where its files are",
            hint=f'give "{found.card.alias}" a "source" in models.json: a path or a model\'s name',
        )
    if path is None:
        raise NotDownloaded(f"{text} is known, and its files are not here", hint=f"shortlist model download {text}")
    if found.card.alias in demo.demo_names():
        return ResolvedModel(found.card.alias, found.card.variants[0], path, found.card)
    if path.suffix.lower() != ".gguf":
        return _from_folder(found, path.parent)
    here = _from_file(path)
    return ResolvedModel(found.label, replace(here.variant, repository=_repository(found)), here.path, found.card)


def local_path(found: Found) -> Path | None:
    """Where a variant's first file lies on this host; None where it is not here."""
    if found.path is not None:
        return found.path
    if found.card.alias in demo.demo_names():
        return demo.demo_model_path(found.card.alias)
    source = found.card.extra.get("source")
    if source is not None and not found.card.variants and _is_there(Path(str(source))):
        return Path(str(source))
    files = None if found.variant is None else cache.find_files(cache.hub_cache(), found.variant)
    return files[0] if files else None


def place_of(found: Found, library: Library) -> Path | None:
    """As `local_path`, and where models.json names another model as the source, where that lies."""
    path, source = local_path(found), found.card.extra.get("source")
    if path is not None or source is None or found.card.variants or source == found.card.alias:
        return path
    try:
        return local_path(find(str(source), library))
    except BadInput:
        return None


def known_names() -> tuple[str, ...]:
    """The names that resolve with nothing downloaded: the demo models'."""
    return demo.demo_names()


def _is_path(name: Name, library: Library) -> bool:
    """It looks like a path, or it is no alias of ours and there is such a file."""
    if name.kind == "alias" and library.card(name) is None:
        return Path(name.typed).expanduser().is_file()
    return name.kind == "path"


def _of_folder(path: Path) -> Found:
    folder = read_folder(path)
    card = ModelCard(
        alias=path.resolve().name,
        family=folder.kind or None,
        context_length=folder.context_length,
        sources=dict.fromkeys(("family", "context_length"), CONFIG_NAME),
    )
    return Found(card, Variant("onnx"), path)


def _is_there(path: Path) -> bool:
    return path.is_file() or is_onnx_folder(path)


def _repository(found: Found) -> str | None:
    return found.variant.repository if found.variant else None


def _from_folder(found: Found, folder: Path) -> ResolvedModel:
    """A variant that is a folder (ONNX): every file in it by digest."""
    inside = sorted(path for path in folder.iterdir() if path.is_file())
    files = tuple(ModelFile(path.name, path.stat().st_size, sha256_file(path)) for path in inside)
    variant = found.variant or Variant("onnx")
    return ResolvedModel(found.label, replace(variant, files=files), folder.resolve(), found.card)


def _from_source(text: str, source: str, library: Library) -> ResolvedModel:
    """What a models.json names as the source of an alias: another name, once."""
    if source == text:
        raise UnknownName("model", text, library.cards, hint="its source in models.json is its own name")
    return resolve(source, library)


def _of_hub(name: Name, library: Library) -> Found:
    """A repository of the Hub: with the card that we have of it, else a card of its own with what the name says."""
    card = library.by_repository(name.stem)
    if card is not None and name.revision is None:
        mine = [v for v in card.variants if (v.repository or "").lower() == name.stem.lower()]
        for variant in mine:
            if name.file is None or name.file in (variant.folder, *(file.path for file in variant.files)):
                return Found(
                    card, pick_variant(replace(card, variants=tuple(mine)), None) if not name.file else variant
                )
    files = (ModelFile(name.file, None),) if name.file else ()
    is_onnx = name.file is None and "onnx" in name.stem.lower()
    variant = Variant("onnx" if is_onnx else "gguf", None, files, name.stem, revision=name.revision)
    bare = ModelCard(alias=name.stem, repository=name.stem, sources={"repository": "as typed"})
    return Found(replace(card, alias=name.stem, variants=(variant,)) if card else bare, variant)


def _card_of_adapter(path: Path) -> ModelCard:
    return ModelCard(path.name[: -len(SUFFIX)], description="a Python class of your own")


def _card_of_file(path: Path) -> tuple[ModelCard, Variant]:
    header = gguf.read_header(path)
    if header.kind != "model":
        raise InvalidModel(f"{path} is not a model but a part of one: {header.kind}", hint="give the model's own file")
    parts = gguf.split_files(header)
    files = tuple(ModelFile(part.name, part.stat().st_size) for part in parts)
    card = ModelCard(
        alias=path.stem,
        family=header.architecture,
        context_length=header.context_length,
        parameters=header.parameters,
        licence=header.licence,
        sources=dict.fromkeys(("family", "context_length", "parameters", "licence"), "GGUF header"),
    )
    return card, Variant("gguf", header.quantisation, files)


def _from_file(path: Path) -> ResolvedModel:
    card, variant = _card_of_file(path)
    parts = gguf.split_files(gguf.read_header(path))
    files = tuple(ModelFile(part.name, part.stat().st_size, sha256_file(part)) for part in parts)
    return ResolvedModel(path.stem, replace(variant, files=files), parts[0].resolve(), card)
