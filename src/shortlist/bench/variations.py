"""`--vs device=cpu,gpu`: one model as several candidates that differ in what is named, in every combination."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from shortlist.engines import find_engine
from shortlist.engines.asking import SPECULATION, checked_kv_type, checked_speculation
from shortlist.errors import BadInput, UnknownName
from shortlist.records import EngineOptions
from shortlist.settings import parse_value

MOST = 16
"""Variations of one model. Each is measured in every round, and each further one widens the intervals of all."""

ENGINE = "engine"


def _known_engine(text: str) -> str:
    find_engine(text)
    if text == "remote":
        raise BadInput("an endpoint is no engine of ours", hint="--endpoint URL measures it, in a run of its own")
    return text


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise UnknownName("value", text, ("on", "off"))
    return text == "on"


def _by_setting(key: str) -> Callable[[str], Any]:
    return lambda text: parse_value(key, text, f"--vs {key}")


def _count(text: str) -> str:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise BadInput(f"{text!r} is not a whole number of at least 1")
    return text


_FIELDS: Mapping[str, Callable[[str], Any]] = {
    **{key: _by_setting(key) for key in ("device", "threads", "context", "gpu_layers")},
    "kv_type": checked_kv_type,
    "prefix_cache": _switch,
}
_EXTRAS: Mapping[str, Callable[[str], str]] = {
    SPECULATION: checked_speculation,
    **dict.fromkeys(("batch", "threads_batch", "ubatch"), _count),
}
KEYS = (ENGINE, *_FIELDS, *_EXTRAS)


@dataclass(frozen=True, slots=True)
class Variation:
    """What one candidate of a model has of its own. `words` tell it from the others; empty: the model as it is."""

    words: tuple[str, ...] = ()
    engine: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """What stands behind a model's label: ` [cpu, threads=2]`."""
        return f" [{', '.join(self.words)}]" if self.words else ""

    def over(self, options: EngineOptions) -> EngineOptions:
        """The options with what is varied in place of what they say."""
        return replace(options, **self.fields, extra={**options.extra, **self.extra})


def parse_variations(texts: Sequence[str]) -> tuple[Variation, ...]:
    """Every combination of what `--vs` names, the last of them changing fastest; without any, the model as it is.

    Raises UnknownName for a key or a value that nobody knows, BadInput for one named twice and for more than `MOST`.
    """
    axes: dict[str, list[tuple[str, Any]]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip().replace("-", "_")
        if key not in KEYS:
            raise UnknownName("key of --vs", key, KEYS)
        if key in axes:
            raise BadInput(f"--vs {key} is given twice", hint=f"--vs {key}=A,B names all of its values")
        axes[key] = _values(key, [one.strip() for one in values.split(",")] if equals else [])
    count = 1
    for values_ in axes.values():
        count *= len(values_)
    if count > MOST:
        shape = " × ".join(f"{len(some)} {key}" for key, some in axes.items())
        raise BadInput(f"--vs makes {count} candidates of each model ({shape}), and {MOST} are the most")
    return tuple(_variation(dict(zip(axes, chosen, strict=True))) for chosen in product(*axes.values()))


def _values(key: str, texts: list[str]) -> list[tuple[str, Any]]:
    if len(texts) < 2 or not all(texts):
        raise BadInput(f"--vs {key} needs at least two values", hint=f"write it like --vs {_EXAMPLES[key]}")
    parse = _known_engine if key == ENGINE else _FIELDS.get(key) or _EXTRAS[key]
    found: dict[Any, str] = {}
    for text in texts:
        try:
            value = parse(text)
        except BadInput as error:
            raise BadInput(f"--vs {key}: {error.message.removeprefix(f'--vs {key}: ')}", hint=error.hint) from None
        if value in found:
            raise BadInput(f"--vs {key} names {text} twice")
        found[value] = text
    return [(text, value) for value, text in found.items()]


_EXAMPLES = {
    ENGINE: "engine=llamacpp,onnx_genai",
    "device": "device=cpu,gpu",
    "kv_type": "kv_type=f16,q8_0",
    "prefix_cache": "prefix_cache=on,off",
    SPECULATION: "speculation=off,ngram",
    **{key: f"{key}=1,2" for key in ("threads", "threads_batch", "gpu_layers")},
    **{key: f"{key}=256,512" for key in ("context", "batch", "ubatch")},
}


def _variation(chosen: Mapping[str, tuple[str, Any]]) -> Variation:
    words = tuple(text if key in (ENGINE, "device") else f"{key}={text}" for key, (text, _) in chosen.items())
    values = {key: value for key, (_, value) in chosen.items()}
    return Variation(
        words,
        values.get(ENGINE),
        {key: value for key, value in values.items() if key in _FIELDS},
        {key: value for key, value in values.items() if key in _EXTRAS},
    )
