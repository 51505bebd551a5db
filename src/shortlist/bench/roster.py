"""Who is compared: names, paths and models.json entries as candidates; what cannot run is marked, not fatal."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from shortlist.bench.variations import Variation
from shortlist.engines import (
    ADAPTER,
    COMMAND,
    EngineContext,
    command_of,
    engine_for,
    find_engine,
    format_of,
    takes_names,
)
from shortlist.engines.asking import plain
from shortlist.errors import (
    BadInput,
    DoesNotFit,
    InvalidModel,
    LicenceRefused,
    NotDownloaded,
    ShortlistError,
    UnknownName,
)
from shortlist.models.catalogue import Found, Library, load_library
from shortlist.models.listing import Listing, ModelEntry
from shortlist.models.names import parse_name
from shortlist.models.refs import ResolvedModel, find, known_names, resolve
from shortlist.records import (
    Candidate,
    CandidateResult,
    CandidateStatus,
    EngineOptions,
    Format,
    ModelCard,
    Variant,
    make_candidate,
)

ENDPOINT = "endpoint"
"""The key in a candidate's `options.extra` that holds the URL of an endpoint which is not ours."""


def engine_options(candidate: Candidate) -> EngineOptions:
    """The options that the engine itself is told: the URL goes to its context."""
    extra = {name: value for name, value in candidate.options.extra.items() if name != ENDPOINT}
    return replace(candidate.options, extra=extra)


@dataclass(frozen=True, slots=True)
class Roster:
    """Candidates, where their files lie on this host, and who was left out with the reason."""

    candidates: tuple[Candidate, ...]
    paths: Mapping[str, Path]
    left_out: tuple[CandidateResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """How candidates are opened: the engine's name, its options, and the URL where it is somebody else's.

    `settle`: what engine and options a model of ours is opened with in the end, by its label and variant (a profile).
    `library`: what names mean. `admit` is shown each model of ours by name before its file is looked for, and raises
    for one that the licence policy or this host's memory does not let in. `command`: what `--command` says.
    `pins_threads`: the number of threads was nobody's wish but pinned (`--deterministic`); a class counts its own.
    `variations`: what each model is made into; `varied` is the one at hand. `is_engine_asked`: somebody named the
    engine; else a model's format chooses it.
    """

    engine: str
    options: EngineOptions
    endpoint_url: str | None = None
    library: Library = field(default_factory=load_library)
    admit: Callable[[Found], None] | None = None
    settle: Callable[[str, Variant, str, EngineOptions], tuple[str, EngineOptions]] | None = None
    command: str | None = None
    pins_threads: bool = False
    variations: tuple[Variation, ...] = (Variation(),)
    varied: Variation = Variation()
    is_engine_asked: bool = True

    def of(self, varied: Variation) -> "Opening":
        """How the candidate of one variation is opened."""
        return replace(self, engine=varied.engine or self.engine, options=varied.over(self.options), varied=varied)

    @property
    def format(self) -> Format | None:
        """The format that a model must have, where an engine was named as one of several."""
        return None if self.varied.engine is None else format_of(self.engine)


def make_roster(names: Iterable[str], listing: Listing | None, opening: Opening) -> Roster:
    """Candidates for typed names and for a models.json's entries, one for each variation.

    A typed name that nobody knows is an error at once. A file that cannot be a model, an alias without a known source,
    what is not downloaded, not admitted or too large, and what the engine of a variation cannot open are left out with
    their reason as long as somebody else can run; alone, the error is raised.
    """
    named = list(dict.fromkeys(names))
    entries: list[tuple[str, ModelEntry | None]] = [(name, None) for name in named]
    if listing is not None:
        entries += [(alias, entry) for alias, entry in listing.entries.items() if alias not in named]
    if not entries:
        raise BadInput("no model is named", hint=f"shortlist bench {' '.join(known_names()[:2])}, or a .gguf file")
    candidates: list[Candidate] = []
    paths: dict[str, Path] = {}
    left_out: list[CandidateResult] = []
    errors: list[ShortlistError] = []
    unusable = _unusable(opening)
    for (name, entry), one in product(entries, map(opening.of, opening.variations)):
        try:
            model = _fitting(name, entry, one, unusable)
        except (InvalidModel, *_LEFT_OUT) as error:
            errors.append(error)
            status: CandidateStatus = "failed" if isinstance(error, InvalidModel) else "skipped"
            label, suffix = Path(name).stem, one.varied.suffix
            left_out.append(CandidateResult(name + suffix, label + suffix, status, error.message))
            continue
        candidate = _candidate(model, one, {c.label for c in candidates})
        candidates.append(candidate)
        if model.path is not None:
            paths[candidate.id] = model.path
    if not candidates:
        raise errors[0]
    return Roster(tuple(candidates), paths, tuple(left_out))


class _NoSource(BadInput):
    """An alias of models.json that does not say where its model comes from."""


class _CannotOpen(BadInput):
    """A model, or a host, that the engine of a variation is not for."""


_LEFT_OUT = (_NoSource, _CannotOpen, NotDownloaded, DoesNotFit, LicenceRefused)


def _unusable(opening: Opening) -> dict[str, str]:
    """Engines that variations name and that cannot be used on this host, and why; each is asked once."""
    names = dict.fromkeys(one.engine for one in opening.variations if one.engine is not None)
    context = EngineContext(command=opening.command)
    found = {name: find_engine(name)(context).probe() for name in names}
    return {name: info.reason or "nobody says why" for name, info in found.items() if not info.available}


def _fitting(name: str, entry: ModelEntry | None, opening: Opening, unusable: Mapping[str, str]) -> ResolvedModel:
    """The model, in the format of the engine that the variation names. Raises _CannotOpen, and as `_model`."""
    if opening.varied.engine in unusable:
        raise _CannotOpen(f"engine {opening.engine} cannot be used here: {unusable[opening.engine]}")
    model = _model(name, entry, opening)
    if opening.varied.engine not in (None, ADAPTER) and model.variant.format == "adapter":
        raise _CannotOpen(f"{name} is a Python class, and no engine but {ADAPTER} opens it")
    if opening.format is not None and model.variant.format != opening.format:
        told = f"{name} is {model.variant.format.upper()}, and engine {opening.engine} opens {opening.format.upper()}"
        raise _CannotOpen(told, hint="shortlist model list --variants shows what there is")
    return model


def _model(name: str, entry: ModelEntry | None, opening: Opening) -> ResolvedModel:
    if opening.endpoint_url is not None or takes_names(opening.engine):
        return ResolvedModel(name, Variant("endpoint"), None, _card(name, entry) if entry else None)
    if entry is None:
        return _admitted(name, opening)
    source = entry.source or (name if _is_known(name, opening.library) else None)
    if source is None:
        raise _NoSource(
            f"{name} has no source", hint=f'give "{name}" a "source" in models.json: a path or a model\'s name'
        )
    try:
        model = _admitted(source, opening)
    except UnknownName as error:
        raise _NoSource(f"{name}: {error.message}", hint=error.hint) from None
    known = model.card or ModelCard(alias=name)
    tags = tuple(entry.capabilities)
    card = replace(known, alias=name, capabilities=tags, sources={**known.sources, "capabilities": "models.json"})
    return replace(model, label=name, card=card if tags else known)


def _admitted(name: str, opening: Opening) -> ResolvedModel:
    name = _in_format(name, opening)
    if opening.admit is not None:
        opening.admit(find(name, opening.library))
    return resolve(name, opening.library)


def _in_format(name: str, opening: Opening) -> str:
    """The name of the model's variant in the format wanted, where its card has one and nothing more exact was typed."""
    parsed = parse_name(name)
    if opening.format is None or parsed.kind != "alias" or parsed.wanted is not None:
        return name
    card = opening.library.card(parsed)
    has_one = card is not None and any(variant.format == opening.format for variant in card.variants)
    return f"{name}@{opening.format}" if has_one else name


def _is_known(name: str, library: Library) -> bool:
    """Whether there is a card with something to open; a models.json may name an alias and nothing else."""
    parsed = parse_name(name)
    card = library.card(parsed) if parsed.kind == "alias" else None
    return card is not None and bool(card.variants or card.extra.get("source"))


def _card(alias: str, entry: ModelEntry) -> ModelCard:
    return ModelCard(alias=alias, capabilities=tuple(entry.capabilities), sources={"capabilities": "models.json"})


def _candidate(model: ResolvedModel, opening: Opening, taken: set[str]) -> Candidate:
    label, number = model.label + opening.varied.suffix, 2
    while label in taken:
        label, number = f"{model.label}-{number}{opening.varied.suffix}", number + 1
    options = opening.options
    if opening.endpoint_url is not None:
        options = replace(options, extra={**options.extra, ENDPOINT: opening.endpoint_url})
    is_asked = opening.is_engine_asked or opening.varied.engine is not None
    engine = engine_for(label, model.variant, opening.engine, is_asked=is_asked)
    if model.variant.format == "adapter":
        options = replace(options, threads=None if opening.pins_threads else options.threads)
    elif opening.settle is not None:
        engine, options = opening.settle(label, model.variant, engine, options)
    command = command_of(engine, EngineContext(command=opening.command))
    if command is not None:
        options = replace(options, extra={**options.extra, COMMAND: command})
    return make_candidate(label, model.label, engine, model.variant, plain(options), model.card)
