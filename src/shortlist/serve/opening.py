"""From a name in a request to what the pool opens: found, here, allowed by the licence policy, and how much it takes.

Names are those of `models.names`: aliases with `@quantisation` or Ollama's tag, Foundry Local's ids, `hf:` names that
are downloaded. A path is never one: nothing in a request reaches the file system. An alias whose source in models.json
is `fake:SCRIPT` is the known-truth engine, for tests and for measuring the service itself.
"""

import contextlib
import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from shortlist.engines import ADAPTER, ENGINE_OF, LoadSpec, engine_for, engine_names, installed_version
from shortlist.engines.asking import asked_options
from shortlist.errors import BadInput, NotDownloaded, UnknownName
from shortlist.models.adapters import is_adapter
from shortlist.models.catalogue import Found, Library, load_library
from shortlist.models.fit import DEFAULT_CONTEXT, Fit, Load, Room, smaller
from shortlist.models.names import parse_name
from shortlist.models.policy import check, load_policy
from shortlist.models.refs import find, local_path
from shortlist.models.rows import fit_of_file
from shortlist.models.usage import note_use
from shortlist.profiles import settle_files
from shortlist.records import EngineOptions, ModelCard, Variant
from shortlist.serve import catalog
from shortlist.serve.engine_logs import keep_few
from shortlist.serve.files import Files
from shortlist.serve.lease import Listed
from shortlist.settings import Settings
from shortlist.units import size

log = logging.getLogger(__name__)

_START_LIMIT_NS = 600 * 10**9
_FAKE = "fake:"
_FAKE_BYTES = 40_000_000
_DATA_FACTOR, _DATA_BYTES = 2, 4 * 1024**3
"""What an engine may take at most: twice what is expected, and room for a driver's and the interpreter's own."""

_ENGINE_BYTES = 100_000_000  # of one whose memory is not predicted by parts, without its model


@dataclass(frozen=True, slots=True)
class Opening:
    """How one model is opened. `key` is one for all names of one artefact; `label` is what replies carry.

    `fit` None: memory is not predicted by parts, and `guess_bytes` (the size on disk and an engine's own) counts.
    """

    key: str
    label: str
    engine: str
    spec: LoadSpec
    card: ModelCard
    fit: Fit | None = None
    guess_bytes: int = 0
    extra: tuple[tuple[str, Any], ...] = ()

    def need_bytes(self, measured_bytes: int | None = None) -> int:
        """Memory that must be there; measured before it is predicted."""
        if self.fit is None:
            return self.guess_bytes if measured_bytes is None else measured_bytes
        return replace(self.fit, measured_bytes=measured_bytes).needed_bytes


class Openings:
    """Finds openings on this host. Reads files: call it on a thread."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._said: set[tuple[str, str]] = set()

    def library(self) -> Library:
        """The models that are known here, as of now."""
        settings = self._settings
        return load_library(settings.home, self._folder, settings.listing, is_home_trusted=settings.is_home_own)

    def find(self, name: str) -> Opening:
        """The opening behind a name.

        Raises UnknownName, BadInput, NotDownloaded, LicenceRefused; InvalidModel for a file that is damaged.
        """
        library = self.library()
        found = _find(name, library)
        check(load_policy(self._settings.licence_policy, self._settings.home), found.card, what="serving it")
        source = _source(found)
        if source is not None and source.startswith(_FAKE):
            return self._fake(found, source.removeprefix(_FAKE))
        there = find(source, library) if source is not None else found
        path = local_path(there)
        if path is None or there.variant is None:
            raise NotDownloaded(f"{name} is known, and its files are not here", hint=f"shortlist model download {name}")
        return self._opening(name, found, there.variant, path)

    def listed(self, loaded: frozenset[str]) -> tuple[Listed, ...]:
        """Every variant that is here."""
        return catalog.listed(self.library(), loaded)

    def about(self, name: str, loaded: frozenset[str]) -> Listed:
        """One model. Raises as `find`, and is as strict: what cannot be asked for is not shown."""
        opening = self.find(name)
        return catalog.entry(Found(opening.card, opening.spec.variant), opening.label, loaded)

    def hint(self, opening: Opening, free_bytes: int) -> str | None:
        """What would fit instead: the largest smaller variant, else fewer requests at once."""
        if opening.fit is None:
            return None
        found = smaller(
            Found(opening.card, opening.spec.variant), opening.fit.load, Room(free_bytes, ""), self.library()
        )
        return None if found is None else f"{found[0].label} fits: {size(found[1].needed_bytes)}"

    def note(self, opening: Opening) -> None:
        """Before a load: keep when the model was last opened, and make room for its engine's log."""
        keep_few(opening.spec.log_dir)
        if opening.spec.path is not None:
            with contextlib.suppress(OSError):
                note_use(self._settings.home, [opening.spec.path], "service")

    def _opening(self, name: str, found: Found, variant: Variant, path: Path) -> Opening:
        settings = self._settings
        is_gguf = variant.format == "gguf"
        asked = settings.engine if is_gguf else ENGINE_OF.get(variant.format, variant.format)
        engine = engine_for(found.label, variant, asked, is_asked=False)
        if engine not in engine_names():
            raise BadInput(
                f"{name} is of format {variant.format}, and no engine here opens it",
                hint="shortlist config list shows the engines; name another variant with @q4_k_m",
            )
        place = path if is_gguf or is_adapter(path) or path.is_dir() else path.parent
        label = name.strip() if name.startswith("hf:") else found.label
        options = asked_options(settings, prefix_cache=settings.prompt_cache and engine == "llamacpp")
        if engine == "llamacpp":
            options = replace(options, extra={**options.extra, **_extra(found.card)})
        options = self._tuned(label, variant, path, engine, options) if is_gguf else options
        spec = self._spec(label, variant, options, place)
        load = Load(settings.context or DEFAULT_CONTEXT, settings.parallel, options.kv_type or "f16")
        fit = None if variant.format == ADAPTER else fit_of_file(place, load)
        if fit is not None and engine == "llamacpp":  # a file's template is a program: it may not eat the machine
            spec = replace(spec, data_bytes=_DATA_FACTOR * fit.needed_bytes + _DATA_BYTES)
        return Opening(
            f"{engine} {place}", label, engine, spec, found.card, fit, _on_disk(variant, place) + _ENGINE_BYTES
        )

    def _tuned(self, label: str, variant: Variant, path: Path, engine: str, options: EngineOptions) -> EngineOptions:
        """The options with what `tune` found in place of what the settings leave open."""
        if not self._settings.profile:
            return options
        files = [path, *(path.with_name(Path(file.path).name) for file in variant.files[1:])]
        version = partial(installed_version, engine)
        settled = settle_files(self._settings.home, variant, files, engine, version, options)
        told = [f"the profile of {settled.profile.at[:10]}: {', '.join(settled.changed)}"] if settled.profile else []
        for text in (*settled.notes, *told):
            if (label, text) not in self._said:  # a model is looked up with each request
                self._said.add((label, text))
                log.info("%s: %s", label, text)
        return settled.options

    def _fake(self, found: Found, script: str) -> Opening:
        alias = found.card.alias
        spec = self._spec(alias, Variant("endpoint"), EngineOptions(), None)
        return Opening(f"fake {alias}", alias, "fake", replace(spec, model=script), found.card, None, _FAKE_BYTES)

    def _spec(self, label: str, variant: Variant, options: EngineOptions, path: Path | None) -> LoadSpec:
        logs = Files(self._settings.home).engine_logs
        return LoadSpec(label, label, variant, options, path, logs, self._settings.parallel, _START_LIMIT_NS)


def _find(text: str, library: Library) -> Found:
    """As `refs.find`, and never a path, whatever lies in the working folder."""
    name = parse_name(text)
    if name.kind == "path" or (name.kind == "alias" and library.card(name) is None):
        raise UnknownName("model", text, library.cards, hint="GET /v1/models lists what is here")
    return find(text, library)


def _extra(card: ModelCard) -> dict[str, str]:
    """A model whose card says `embeddings` is opened for vectors."""
    return {"cache_ram": "0"} | ({"embeddings": "1"} if "embeddings" in card.capabilities else {})


def _source(found: Found) -> str | None:
    source = found.card.extra.get("source")
    return str(source) if source is not None and not found.card.variants else None


def _on_disk(variant: Variant, place: Path) -> int:
    if variant.size_bytes is not None:
        return variant.size_bytes
    if place.is_dir():
        return sum(file.stat().st_size for file in place.iterdir() if file.is_file())
    return place.stat().st_size
