"""What a tuning tries: the engines that can open a model, the variants of it that are here, and their settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shortlist.engines import ENGINE_OF, EngineContext, engine_for, find_engine
from shortlist.errors import BadInput, NotDownloaded, ShortlistError
from shortlist.machine import default_threads, physical_cores, usable_cores
from shortlist.models.catalogue import Library, variant_key
from shortlist.models.refs import ResolvedModel, resolve
from shortlist.profiles import variant_digest
from shortlist.records import EngineOptions, Prompt, Variant
from shortlist.tune.grid import Conditions, Setting, settings_of


@dataclass(frozen=True, slots=True)
class Others:
    """Other variants of the model: by the name that settings give them; `notes` say which are not here."""

    models: Mapping[str, ResolvedModel] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def engines_for(label: str, variant: Variant, named: Sequence[str] = ()) -> tuple[str, ...]:
    """What may open it: the engines named, else the one of ours for its format. A foreign one takes part when named.

    Raises UnknownName, and BadInput where one cannot open it or is not there.
    """
    if named:
        for name in named:
            find_engine(name)
        return tuple(dict.fromkeys(engine_for(label, variant, name, is_asked=True) for name in named))
    ours = ENGINE_OF.get(variant.format)
    info = None if ours is None else find_engine(ours)(EngineContext()).probe()
    if info is None or not info.available:
        why = f"no engine of ours opens {variant.format}" if info is None else f"{info.name}: {info.reason}"
        raise BadInput(f"nothing here can open it: {why}", hint="shortlist config list shows the engines")
    return (info.name,)


def grid_of(
    engines: Iterable[str], asked: EngineOptions, prompts: Sequence[Prompt], concurrency: int
) -> tuple[Setting, ...]:
    """Every engine's settings: all the defaults first, then what each can be told."""
    longest = max(sum(len(message.content) for message in prompt.messages) for prompt in prompts)
    here = Conditions(default_threads(), physical_cores(), usable_cores(), longest, concurrency)
    lists = [settings_of(name, _tunable(name), asked, here) for name in engines]
    return (*(one[0] for one in lists), *(setting for one in lists for setting in one[1:]))


def _tunable(engine: str) -> tuple[str, ...]:
    return tuple(getattr(find_engine(engine), "tunable", ()))


def other_variants(here: ResolvedModel, library: Library, named: Sequence[str]) -> Others:
    """The variants of the same card whose files are here, and those that were named beside it."""
    models: dict[str, ResolvedModel] = {}
    notes: list[str] = []
    mine = variant_digest(here.variant)
    alias = here.card.alias if here.card is not None else None
    listed = [f"{alias}@{variant_key(one)}" for one in here.card.variants] if here.card is not None else []
    for name in dict.fromkeys([*listed, *named]):
        try:
            found = resolve(name, library)
        except NotDownloaded:
            if name in named:
                raise
            notes.append(f"{name} is not tried: its files are not here")
            continue
        except ShortlistError as error:
            if name in named:
                raise
            notes.append(f"{name} is not tried: {error.message}")
            continue
        if variant_digest(found.variant) != mine:
            models[found.label if found.label not in models else name] = found
    return Others(models, tuple(notes))


def other_settings(others: Others) -> tuple[tuple[Setting, ...], tuple[str, ...]]:
    """Each other variant with each engine of ours that opens it, at its default; and what cannot be opened, and why."""
    found: list[Setting] = []
    notes: list[str] = []
    for name, model in others.models.items():
        try:
            engines = engines_for(model.label, model.variant)
        except BadInput as error:
            notes.append(f"{name} is not tried: {error.message}")
            continue
        found += [replace(Setting(engine), model=name) for engine in engines]
    return tuple(found), tuple(notes)
