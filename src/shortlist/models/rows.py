"""The models that are known here, a row each with all that a list shows: variant, licence, cached, fit."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shortlist import gguf
from shortlist.errors import BadInput, InvalidModel
from shortlist.models.adapters import adapter_variant, is_adapter, read_adapter
from shortlist.models.catalogue import PREFERRED, Found, Library, variant_key
from shortlist.models.filters import Facts
from shortlist.models.fit import Fit, Load, Room, fit_of_card, fit_of_folder, predict
from shortlist.models.hub import read_remote_header
from shortlist.models.licence import Action, LicenceFinding, find_licence
from shortlist.models.policy import Policy
from shortlist.models.refs import local_path
from shortlist.models.shape import BITS_PER_WEIGHT, shape_of_header, weights_of_header
from shortlist.onnxfolder import is_onnx_folder, read_folder
from shortlist.records import ModelCard, Variant


@dataclass(frozen=True, slots=True)
class Host:
    """What models are judged against here. `measured`: peaks of earlier runs, by a file's SHA-256."""

    room: Room
    load: Load
    policy: Policy
    measured: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One variant of a model. `size_basis` is empty where the size was published or measured on disk."""

    found: Found
    path: Path | None
    licence: LicenceFinding
    action: Action
    size_bytes: int | None
    size_basis: str
    fit: Fit | None
    is_fitting: bool | None

    @property
    def facts(self) -> Facts:
        """What filters look at."""
        return Facts(
            self.found.card, self.found.variant, self.licence, self.size_bytes, self.path is not None, self.is_fitting
        )


def rows(library: Library, host: Host) -> Iterator[Row]:
    """Every variant of every card, cards in the library's order, the preferred variant first."""
    for card in library.cards.values():
        for variant in ordered(card):
            yield make_row(Found(card, variant), host)


def make_row(found: Found, host: Host) -> Row:
    """One variant with what is known of it here; a header that is here goes before the card."""
    path = local_path(found)
    if found.variant is None and path is not None and is_adapter(path):
        found = replace(found, variant=_adapter(path))
    fit = fit_of(found, path, host)
    finding = find_licence(found.card)
    size, basis = size_of(found, path)
    return Row(
        found,
        path,
        finding,
        host.policy.action(found.card, finding),
        size,
        basis,
        fit,
        None if fit is None else fit.needed_bytes <= host.room.bytes,
    )


def fit_of(found: Found, path: Path | None, host: Host) -> Fit | None:
    """What it would take: by its header where the file is here, else by the card; a measured peak goes before both."""
    fit = fit_of_file(path, host.load) if path is not None else None
    fit = fit or fit_of_card(found, host.load)
    digests = [file.sha256 for file in found.variant.files if file.sha256] if found.variant else []
    peak = next((host.measured[digest] for digest in digests if digest in host.measured), None)
    return fit if fit is None or peak is None else replace(fit, measured_bytes=peak)


def fit_of_file(path: Path, load: Load) -> Fit | None:
    """The prediction from a file's own header, all parts of a split one, or from an ONNX folder's manifest.

    None where it does not tell enough.
    """
    folder = path if path.is_dir() else path.parent
    try:
        if path.suffix != ".gguf" and is_onnx_folder(folder):
            return fit_of_folder(read_folder(folder), load)
        headers = [gguf.read_header(part) for part in gguf.split_files(gguf.read_header(path))]
    except InvalidModel:
        return None  # what opens it says so; a list goes on
    shape = shape_of_header(headers[0])
    parts = [weights_of_header(header) for header in headers]
    if shape is None or any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    total = replace(known[0], bytes=sum(p.bytes for p in known), repacked_bytes=sum(p.repacked_bytes for p in known))
    trained = headers[0].context_length
    return predict(shape, total, replace(load, context=min(load.context, trained or load.context)))


def fit_of_remote(found: Found, load: Load) -> Fit | None:
    """The prediction from the header of a file on the Hub, by one ranged read; None where it does not tell enough.

    For what is not here and whose card has no shape. Raises HubError, InvalidModel.
    """
    variant = found.variant
    if variant is None or variant.repository is None or variant.format != "gguf" or not variant.files:
        return None
    header = read_remote_header(variant.repository, variant.files[0].path, variant.revision)
    shape, weights = shape_of_header(header), weights_of_header(header)
    if shape is None or weights is None or header.split_count > 1:
        return None
    capped = replace(load, context=min(load.context, header.context_length or load.context))
    return predict(shape, replace(weights, basis=f"the header of {variant.files[0].path}, read on the Hub"), capped)


def one_a_card(listed: Iterable[Row], passes: Callable[[Row], bool]) -> list[Row]:
    """The first row of each card that passes: its preferred variant, else the next."""
    chosen: dict[str, Row] = {}
    for row in listed:
        if row.found.card.alias not in chosen and passes(row):
            chosen[row.found.card.alias] = row
    return list(chosen.values())


def _adapter(path: Path) -> Variant:
    """What a list shows of an adapter; what is wrong with it is told by whoever opens it."""
    try:
        return adapter_variant(read_adapter(path), is_hashed=False)
    except BadInput:
        return Variant("adapter")


def ordered(card: ModelCard) -> tuple[Variant | None, ...]:
    """A card's variants, GGUF by preference first; None alone for a card that lists none."""
    rank = {key: place for place, key in enumerate(PREFERRED)}
    ranked = sorted(card.variants, key=lambda v: (v.format != "gguf", rank.get(variant_key(v), len(rank))))
    return tuple(ranked) or (None,)


def size_of(found: Found, path: Path | None) -> tuple[int | None, str]:
    """Bytes on disk, published or estimated, and on which basis (empty: published or measured)."""
    variant, card = found.variant, found.card
    if variant is None and path is not None and path.is_file() and not is_adapter(path):
        return path.stat().st_size, ""
    if path is not None and path.is_dir():
        return sum(one.stat().st_size for one in path.iterdir() if one.is_file()), ""
    if variant is not None and variant.size_bytes is not None:
        return variant.size_bytes, ""
    if isinstance(told := card.extra.get("size_mb"), int | float):
        return round(told * 1e6), "models.json"
    bits = BITS_PER_WEIGHT.get(variant.quantisation or "") if variant else None
    if bits is None or card.parameters is None:
        return None, ""
    return round(card.parameters * bits / 8), f"estimated: parameters of {bits:g} bits"
