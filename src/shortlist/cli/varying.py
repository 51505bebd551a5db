"""What `--vs` means for the rest of what was typed; `bench.variations` makes the candidates of it."""

from collections.abc import Sequence

from shortlist.errors import BadInput
from shortlist.settings import Settings


def varied(vs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The keys of --vs with their values, as they were typed."""
    pairs = (text.partition("=") for text in vs)
    return {
        key.strip().replace("-", "_"): tuple(value.strip() for value in values.split(",")) for key, _, values in pairs
    }


def with_varied(settings: Settings, vs: Sequence[str], *, prefix_cache: bool) -> Settings:
    """The settings, in which an engine that is varied counts as asked for: no profile puts another in its place.

    Raises BadInput for what a flag sets and --vs varies.
    """
    keys = varied(vs)
    flags = [key for key in keys if settings.source(key) == "flag"]
    if "engine" in flags and settings.engine == "command" and settings.source("command") == "flag":
        flags.remove("engine")  # it came along with --command, which says what the engine of that name starts
    flags += ["prefix_cache"] if prefix_cache and "prefix_cache" in keys else []
    if flags:
        raise BadInput(f"--{flags[0].replace('_', '-')} sets what --vs {flags[0]} varies", hint="leave one of them out")
    return settings.with_flags({"engine": keys["engine"][0]}) if "engine" in keys else settings
