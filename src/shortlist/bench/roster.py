"""Who is compared: names, paths and models.json entries as candidates; what cannot run is marked, not fatal."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shortlist.engines import COMMAND, EngineContext, command_of, takes_names
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
    """

    engine: str
    options: EngineOptions
    endpoint_url: str | None = None
    library: Library = field(default_factory=load_library)
    admit: Callable[[Found], None] | None = None
    settle: Callable[[str, Variant, str, EngineOptions], tuple[str, EngineOptions]] | None = None
    command: str | None = None


def make_roster(names: Iterable[str], listing: Listing | None, opening: Opening) -> Roster:
    """Candidates for typed names and for a models.json's entries.

    A typed name that nobody knows is an error at once. A file that cannot be a model, an alias without a known source,
    and what is not downloaded, not admitted or too large are left out with their reason as long as somebody else can
    run; alone, the error is raised.
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
    for name, entry in entries:
        try:
            model = _model(name, entry, opening)
        except (InvalidModel, *_LEFT_OUT) as error:
            errors.append(error)
            status: CandidateStatus = "failed" if isinstance(error, InvalidModel) else "skipped"
            left_out.append(CandidateResult(name, Path(name).stem, status, error.message))
            continue
        candidate = _candidate(model, opening, {c.label for c in candidates})
        candidates.append(candidate)
        if model.path is not None:
            paths[candidate.id] = model.path
    if not candidates:
        raise errors[0]
    return Roster(tuple(candidates), paths, tuple(left_out))


class _NoSource(BadInput):
    """An alias of models.json that does not say where its model comes from."""


_LEFT_OUT = (_NoSource, NotDownloaded, DoesNotFit, LicenceRefused)


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
    if opening.admit is not None:
        opening.admit(find(name, opening.library))
    return resolve(name, opening.library)


def _is_known(name: str, library: Library) -> bool:
    """Whether there is a card with something to open; a models.json may name an alias and nothing else."""
    parsed = parse_name(name)
    card = library.card(parsed) if parsed.kind == "alias" else None
    return card is not None and bool(card.variants or card.extra.get("source"))


def _card(alias: str, entry: ModelEntry) -> ModelCard:
    return ModelCard(alias=alias, capabilities=tuple(entry.capabilities), sources={"capabilities": "models.json"})


def _candidate(model: ResolvedModel, opening: Opening, taken: set[str]) -> Candidate:
    label, number = model.label, 2
    while label in taken:
        label, number = f"{model.label}-{number}", number + 1
    options = opening.options
    if opening.endpoint_url is not None:
        options = replace(options, extra={**options.extra, ENDPOINT: opening.endpoint_url})
    engine = opening.engine
    if opening.settle is not None:
        engine, options = opening.settle(label, model.variant, engine, options)
    command = command_of(engine, EngineContext(command=opening.command))
    if command is not None:
        options = replace(options, extra={**options.extra, COMMAND: command})
    return make_candidate(label, model.label, engine, model.variant, options, model.card)
