"""How an engine is to open a model, as settings and flags say: the one place where they become `EngineOptions`.

    options = asked_options(settings)                        # what was asked for, checked
    options = profiles.settle(..., options).options          # what was tuned, under that
    options = plain(options)                                 # what is stored: an option at its default is none

Which of them an engine can honour it says itself: it refuses the others (`refuse_options`), and ignores none.
"""

from dataclasses import replace

from shortlist.errors import BadInput, UnknownName
from shortlist.records import EngineOptions
from shortlist.settings import Settings

SPECULATION = "speculation"
"""The key in `EngineOptions.extra`; `off`, `ngram`, or `ngram:N:M`."""

OFF = "off"
KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")


def asked_options(settings: Settings, *, prefix_cache: bool = False) -> EngineOptions:
    """The options that settings ask for; what they leave out is None. Raises UnknownName, BadInput."""
    extra = {} if settings.speculation is None else {SPECULATION: checked_speculation(settings.speculation)}
    return EngineOptions(
        device=settings.device,  # type: ignore[arg-type]  # the settings table allows these three only
        threads=settings.threads,
        context=settings.context,
        kv_type=None if settings.kv_type is None else checked_kv_type(settings.kv_type),
        gpu_layers=settings.gpu_layers,
        prefix_cache=prefix_cache,
        extra=extra,
    )


def plain(options: EngineOptions) -> EngineOptions:
    """The same without an `off` that was only there to keep a profile's choice out: equal options, equal candidate."""
    if options.extra.get(SPECULATION) != OFF:
        return options
    return replace(options, extra={name: value for name, value in options.extra.items() if name != SPECULATION})


def checked_kv_type(kv_type: str) -> str:
    """A type that a KV cache can have. Raises UnknownName."""
    if kv_type.lower() not in KV_TYPES:
        raise UnknownName("KV type", kv_type, KV_TYPES)
    return kv_type.lower()


def checked_speculation(text: str) -> str:
    """The text, if `ngram_sizes` can read it. Raises BadInput."""
    ngram_sizes(text)
    return text


def ngram_sizes(text: str) -> tuple[int | None, int | None] | None:
    """Tokens that must have occurred before, and most tokens that are then guessed; None: the engine's own number.

    None for `off`. Raises BadInput.
    """
    kind, *sizes = text.split(":")
    if text == OFF:
        return None
    is_known = kind == "ngram" and len(sizes) in (0, 2)
    if not is_known or not all(size.isascii() and size.isdigit() and 1 <= int(size) <= 1024 for size in sizes):
        hint = "off, ngram, or ngram:N:M (N tokens must have occurred before, M are guessed at most)"
        raise BadInput(f"{text!r} is no kind of speculation", hint=hint)
    return (int(sizes[0]), int(sizes[1])) if sizes else (None, None)
