"""Cards made and checked: what a contributor proposes for the catalogue.

`new_card` reads what a file tells of itself. `problems_of` says what stands between a card and the catalogue: every
fact has a source, licences are SPDX, the shape adds up to the parameters, and no digest is there that cannot be ours.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from shortlist import gguf
from shortlist.errors import BadInput
from shortlist.modelfile import sha256_file
from shortlist.models.refs import find, local_path
from shortlist.models.shape import shape_of_header
from shortlist.models.spdx import to_spdx
from shortlist.records import Architecture, BaseModel, ModelCard, ModelFile, Variant

NEEDS_SOURCE = (
    "names", "repository", "family", "base_model", "capabilities", "context_length", "parameters", "licence",
    "languages", "is_gated", "architecture",
)  # fmt: skip
_ALIAS = re.compile(r"[a-z0-9][a-z0-9.-]*")
_NEAR = 0.02
_HEADER = "GGUF header"


@dataclass(frozen=True, slots=True)
class Told:
    """What a person adds to what the file says; `bases` as `OWNER/NAME=LICENCE`."""

    alias: str | None = None
    repository: str | None = None
    licence: str | None = None
    bases: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    source: str = "as typed"


def new_card(model: str, told: Told) -> ModelCard:
    """A card for a file or a known model. Raises UnknownName, InvalidModel, BadInput."""
    found = find(model)
    card, path = found.card, local_path(found)
    if path is not None:
        card = _with_header(card, path, told.repository)
    bases = tuple(_base(text, told.source) for text in told.bases)
    changes = {
        "alias": told.alias or card.alias.lower(),
        "repository": told.repository or card.repository,
        "licence": _licence(told.licence) if told.licence else card.licence,
        "bases": bases or card.bases,
        "base_model": bases[0].name if bases else card.base_model,
        "capabilities": told.capabilities or card.capabilities,
    }
    typed = {fact for fact in ("repository", "licence", "capabilities") if getattr(told, fact)}
    typed |= {"base_model"} if bases else set()
    kept = {fact: source for fact, source in card.sources.items() if getattr(card, fact, None) not in (None, (), "")}
    return replace(card, **changes, sources={**kept, **dict.fromkeys(sorted(typed), told.source)})  # type: ignore[arg-type]


def _with_header(card: ModelCard, path: Path, repository: str | None) -> ModelCard:
    header = gguf.read_header(path)
    files = tuple(ModelFile(part.name, part.stat().st_size, sha256_file(part)) for part in gguf.split_files(header))
    shape = shape_of_header(header)
    variant = Variant("gguf", header.quantisation, files, repository, source=f"read from the file {path.name}")
    sources = {**card.sources, **({"architecture": _HEADER} if shape else {})}
    return replace(card, variants=card.variants or (variant,), architecture=card.architecture or shape, sources=sources)


def _base(text: str, source: str) -> BaseModel:
    name, equals, licence = text.partition("=")
    if not name.strip() or (equals and not licence.strip()):
        raise BadInput(f"{text!r} is not a base model", hint="write it like --base google/gemma-2-2b=gemma")
    return BaseModel(name.strip(), _licence(licence) if licence else None, source)


def _licence(text: str) -> str:
    spelled = to_spdx(text)
    if spelled.problem is not None:
        raise BadInput(
            f"{text!r} is not a licence: {spelled.problem}", hint="write it like Apache-2.0 or LicenseRef-NAME"
        )
    return spelled.text


def card_json(card: ModelCard) -> str:
    """A card as a file: keys in the order of the record."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2).decode() + "\n"


def problems_of(card: ModelCard, folder: Path | None = None) -> list[str]:
    """What to mend before a card is proposed, a line each; empty when it is good.

    Files that lie in `folder` are read again: size, digest and header must be what the card says.
    """
    return [
        *_form(card),
        *(f"$.sources: nothing says where {fact!r} was read" for fact in NEEDS_SOURCE if _is_unsourced(card, fact)),
        *_licences(card),
        *_shape(card),
        *(problem for number, variant in enumerate(card.variants) for problem in _variant(variant, number, folder)),
    ]


def _form(card: ModelCard) -> list[str]:
    found = []
    if not _ALIAS.fullmatch(card.alias):
        found.append(f"$.alias: {card.alias!r} is not lower case letters, digits, dots and dashes")
    if not card.capabilities:
        found.append("$.capabilities: name at least one, such as chat")
    if not card.variants:
        found.append("$.variants: there is none; name its files")
    if card.base_model is not None and (not card.bases or card.bases[0].name != card.base_model):
        found.append(f"$.bases: the first is not the base model {card.base_model!r}; list the chain with its licences")
    return found


def _is_unsourced(card: ModelCard, fact: str) -> bool:
    return getattr(card, fact) not in (None, (), "", False) and not card.sources.get(fact, "").strip()


def _licences(card: ModelCard) -> list[str]:
    found = [] if card.licence else ["$.licence: there is none"]
    named = [
        ("$.licence", card.licence),
        *((f"$.bases[{n}].licence", base.licence) for n, base in enumerate(card.bases)),
    ]
    for place, text in named:
        spelled = to_spdx(text) if text else None
        if spelled is not None and (spelled.problem or spelled.text != text):
            found.append(f"{place}: {spelled.problem or f'write {spelled.text}'} ({text!r})")
    found += [f"$.bases[{n}].source: there is none" for n, base in enumerate(card.bases) if not base.source]
    return found


def _shape(card: ModelCard) -> list[str]:
    shape = card.architecture
    if shape is None:
        return ["$.architecture: there is none; without it memory cannot be predicted before a download"]
    if min(shape.layers, shape.width, shape.heads, shape.kv_heads, shape.head_size, shape.vocabulary) < 1:
        return ["$.architecture: a size is under 1"]
    if shape.heads % shape.kv_heads:
        return [f"$.architecture: {shape.heads} heads do not share {shape.kv_heads} for keys and values evenly"]
    if card.parameters is None or "experts" in card.extra:
        return []
    tied, untied = count_parameters(shape, is_tied=True), count_parameters(shape, is_tied=False)
    if any(abs(count / card.parameters - 1) <= _NEAR for count in (tied, untied)):
        return []
    told = (
        f"$.parameters: {card.parameters:,}, and the shape adds up to {tied:,} with tied embeddings, {untied:,} without"
    )
    return [f"{told}: check both (for a mixture of experts, give extra.experts)"]


def count_parameters(shape: Architecture, *, is_tied: bool) -> int:
    """Elements of a dense decoder of this shape: attention, a gated feed-forward part, norms, embeddings."""
    attention = 2 * shape.width * shape.head_size * (shape.heads + shape.kv_heads)
    layer = attention + 3 * shape.width * shape.feed_forward + 2 * shape.width
    return shape.layers * layer + shape.width + shape.vocabulary * shape.width * (1 if is_tied else 2)


def _variant(variant: Variant, number: int, folder: Path | None) -> list[str]:
    place, found = f"$.variants[{number}]", []
    if not variant.source:
        found.append(f"{place}.source: there is none")
    if not variant.files and not variant.folder:
        found.append(f"{place}.files: there is none, and no folder")
    for n, file in enumerate(variant.files):
        where = f"{place}.files[{n}]"
        if file.path.startswith("/") or ".." in Path(file.path).parts:
            found.append(f"{where}.path: {file.path!r} leads out of its repository")
        if file.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
            found.append(f"{where}.sha256: is not 64 hex digits in lower case")
        here = None if folder is None else folder / Path(file.path).name
        if here is not None and here.is_file():
            if file.size_bytes is not None and here.stat().st_size != file.size_bytes:
                found.append(f"{where}.size_bytes: {file.size_bytes:,}, and {here} has {here.stat().st_size:,}")
            elif file.sha256 is not None and sha256_file(here) != file.sha256:
                found.append(f"{where}.sha256: is not that of {here}")
    return found
