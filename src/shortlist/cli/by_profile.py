"""What `tune` found, in place of what the user left at its default: for `bench` and `model run`, and said on stderr."""

from shortlist import profiles
from shortlist.cli.output import say
from shortlist.engines import installed_version
from shortlist.errors import ShortlistError
from shortlist.records import EngineOptions, Variant
from shortlist.settings import Settings


class ByProfile:
    """Settles engine and options of one model after another. `used`: the labels of those that a profile was used for.

    Without the setting `profile`, with an endpoint, or in a deterministic bench everything stays as it was asked for.
    """

    def __init__(self, settings: Settings, *, is_pinned: bool = False) -> None:
        self._settings, self._is_off = settings, is_pinned or not settings.profile or settings.endpoint is not None
        self.used: list[str] = []
        self._said: set[str] = set()

    def __call__(self, label: str, variant: Variant, engine: str, options: EngineOptions) -> tuple[str, EngineOptions]:
        """The engine, and the options that it is to be opened with; a profile that is used, or not, is said."""
        if self._is_off or profiles.variant_digest(variant) is None:
            return engine, options
        home, given = self._settings.home, engine
        if self._settings.source("engine") == "default":
            engine = profiles.fastest_engine(home, variant, _version) or engine
        settled = profiles.settle(home, variant, engine, lambda: installed_version(engine), options)
        for note in settled.notes:
            if note not in self._said:
                self._said.add(note)
                say(f"! {note}")
        if settled.profile is not None or engine != given:
            self.used.append(label)
            say(f"Profile {label}: {_words(engine, settled)}; --no-profile leaves it out")
        return engine, settled.options


def _version(engine: str) -> str | None:
    """An engine's version; None where the engine is gone, or cannot be used."""
    try:
        return installed_version(engine)
    except ShortlistError:
        return None


def _words(engine: str, settled: profiles.Settled) -> str:
    """`llamacpp, threads=1, ubatch=128 (tuned 2026-11-26 for latency)`: what is used, and since when."""
    told = settled.profile
    if told is None:
        return f"{engine} was tuned fastest"
    return f"{', '.join((engine, *settled.changed))} (tuned {told.at[:10]} for {told.objective})"
