"""`--filter KEY OP VALUE` for lists of models: `capability=chat`, `size<2GB`, `licence=commercial`, `alias=qwen*`.

A `!` before the value, or before the whole, turns it round. A fact that is not known never matches, turned round or
not: `size<2GB` and `!size<2GB` both leave out a model whose size nobody has told us.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shortlist.errors import BadInput, UnknownName
from shortlist.models.licence import STRICTNESS, LicenceFinding, commercial_use
from shortlist.models.spdx import to_spdx
from shortlist.records import ModelCard, Variant
from shortlist.units import parse_size_bytes

_SHAPE = re.compile(r"(!?)\s*([a-z_]+)\s*(<=|>=|!=|=|<|>)\s*(!?)\s*(.+)")
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmb]?)", re.IGNORECASE)
_TASKS = {"chat-completion": "chat", "text-generation": "chat", "summarize": "summarise", "summarization": "summarise"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What filters look at. `is_fitting` None: not predicted."""

    card: ModelCard
    variant: Variant | None
    licence: LicenceFinding
    size_bytes: int | None
    is_cached: bool
    is_fitting: bool | None = None


def parse_filter(text: str) -> Callable[[Facts], bool]:
    """A filter as a test. Raises BadInput, and UnknownName for a key that there is not."""
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise BadInput(
            f"{text!r} is not a filter", hint="write it like --filter capability=chat or --filter 'size<2GB'"
        )
    whole, key, operator, inner, value = match.groups()
    turned = (whole == "!") ^ (inner == "!") ^ (operator == "!=")
    value = value.strip()
    if key in _NUMBERS:
        return _numeric(key, operator, value, turned=turned)
    if key not in _TEXTS:
        raise UnknownName("filter", key, [*_TEXTS, *_NUMBERS])
    if operator not in ("=", "!="):
        raise BadInput(f"{text!r}: {key} is not a number", hint=f"write it like {key}={value}")
    return _textual(_TEXTS[key], _checked(key, value), turned=turned)


def _numeric(key: str, operator: str, value: str, *, turned: bool) -> Callable[[Facts], bool]:
    read, wanted = _NUMBERS[key], parse_size_bytes(value) if key == "size" else parse_count(value)

    def passes(facts: Facts) -> bool:
        found = read(facts)
        return found is not None and _compare(found, operator, wanted) != turned

    return passes


def _textual(read: Callable[[Facts], tuple[str, ...] | None], value: str, *, turned: bool) -> Callable[[Facts], bool]:
    def passes(facts: Facts) -> bool:
        found = read(facts)
        return found is not None and any(_matches(one, value) for one in found) != turned

    return passes


def _compare(found: float, operator: str, wanted: float) -> bool:
    return {
        "<": found < wanted,
        "<=": found <= wanted,
        ">": found > wanted,
        ">=": found >= wanted,
    }.get(operator, found == wanted)


def _matches(found: str, value: str) -> bool:
    found, value = found.lower(), value.lower()
    return found.startswith(value[:-1]) if value.endswith("*") else found == value


def _checked(key: str, value: str) -> str:
    """The value as it is compared: a task's other names, a licence's SPDX name; yes and no for what is either."""
    if key in ("capability", "task"):
        return _TASKS.get(value.lower(), value)
    if key in ("cached", "gated", "fits"):
        if value.lower() not in ("yes", "no"):
            raise BadInput(f"{key}={value}: it is yes or no", hint=f"--filter {key}=yes")
        return value
    if key == "licence" and value.lower() not in ("commercial", *STRICTNESS) and not value.endswith("*"):
        spelled = to_spdx(value)
        if spelled.problem is not None:
            raise UnknownName("licence", value, ["commercial", *STRICTNESS], hint="or an SPDX identifier")
        return spelled.text
    return value


def parse_count(text: str) -> float:
    """`1.5B`, `500M`, `32k`, `4096`: a count of parameters or tokens. Raises BadInput."""
    match = _COUNT.fullmatch(text)
    if match is None:
        raise BadInput(f"{text!r} is not a count", hint="write it like 1.5B, 500M or 32768")
    return float(match[1]) * {"": 1, "k": 1e3, "m": 1e6, "b": 1e9}[match[2].lower()]


def _licence(facts: Facts) -> tuple[str, ...]:
    verdict = {"pass": ("commercial",)}.get(commercial_use(facts.licence), ())
    named = (to_spdx(facts.licence.licence).text,) if facts.licence.licence else ()
    return (facts.licence.licence_class, *named, *verdict)


def _yes(value: bool | None) -> tuple[str, ...] | None:
    return None if value is None else ("yes",) if value else ("no",)


_TEXTS: Mapping[str, Callable[[Facts], tuple[str, ...] | None]] = {
    "alias": lambda f: (f.card.alias, *f.card.names),
    "capability": lambda f: f.card.capabilities or None,
    "task": lambda f: f.card.capabilities or None,
    "family": lambda f: (f.card.family,) if f.card.family else None,
    "format": lambda f: (f.variant.format,) if f.variant else None,
    "quantisation": lambda f: (f.variant.quantisation,) if f.variant and f.variant.quantisation else None,
    "licence": _licence,
    "language": lambda f: f.card.languages or None,
    "cached": lambda f: _yes(f.is_cached),
    "fits": lambda f: _yes(f.is_fitting),
    "gated": lambda f: _yes(bool(f.card.is_gated)),
}
_NUMBERS: Mapping[str, Callable[[Facts], float | None]] = {
    "size": lambda f: f.size_bytes,
    "parameters": lambda f: f.card.parameters,
    "context": lambda f: f.card.context_length,
}
