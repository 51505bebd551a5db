"""Names of models: a demo model, or the path of a `.gguf` file."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from shortlist import demo, gguf
from shortlist.errors import InvalidModel, UnknownName
from shortlist.modelfile import sha256_file
from shortlist.records import ModelCard, ModelFile, Variant, from_json


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that is there: its label, its artefact by digest, and where that lies on this host."""

    label: str
    variant: Variant
    path: Path | None
    card: ModelCard | None = None


def resolve(name: str) -> ResolvedModel:
    """The model behind a name. Reads the header, digests the file. Raises UnknownName, InvalidModel."""
    if name in demo.demo_names():
        card = read_card(demo.demo_card_path(name))
        return ResolvedModel(name, card.variants[0], demo.demo_model_path(name), card)
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" or path.is_file() or len(path.parts) > 1:
        return _from_file(path)
    raise UnknownName("model", name, known_names(), hint="or give the path of a .gguf file")


def known_names() -> tuple[str, ...]:
    """Every name that resolves without a path."""
    return demo.demo_names()


def _from_file(path: Path) -> ResolvedModel:
    header = gguf.read_header(path)
    if header.kind != "model":
        raise InvalidModel(f"{path} is not a model but a part of one: {header.kind}", hint="give the model's own file")
    parts = gguf.split_files(header)
    files = tuple(ModelFile(part.name, part.stat().st_size, sha256_file(part)) for part in parts)
    card = ModelCard(
        alias=path.stem,
        family=header.architecture,
        context_length=header.context_length,
        parameters=header.parameters,
        licence=header.licence,
        sources=dict.fromkeys(("family", "context_length", "parameters", "licence"), "GGUF header"),
    )
    return ResolvedModel(path.stem, Variant("gguf", header.quantisation, files), parts[0].resolve(), card)


def read_card(path: Path) -> ModelCard:
    """A model card from its file. Raises InvalidModel naming the place."""
    try:
        return from_json(path.read_bytes(), ModelCard)
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidModel(f"{path} is not a model card: {error}") from None
