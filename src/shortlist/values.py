"""Values of settings: a string from the environment or a TOML value in, a checked value out. Each raises BadInput."""

from collections.abc import Callable
from pathlib import Path

from shortlist.errors import BadInput, UnknownName
from shortlist.units import parse_duration_ns, parse_size_bytes


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{value!r} is not a text")
    return value


def path(value: object) -> Path:
    """A path; `~` is the home of who asks."""
    return Path(text(value)).expanduser()


def flag(value: object) -> bool:
    """Yes or no, in the usual words."""
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).strip().lower() not in known:
        raise BadInput(f"{value!r} is neither yes nor no", hint="write 1 or 0")
    return known[str(value).strip().lower()]


def number(kind: type[int] | type[float], low: float, high: float) -> Callable[[object], float]:
    """A number within these bounds."""
    what = "a whole number" if kind is int else "a number"

    def parse(value: object) -> float:
        try:
            number = kind(str(value))
        except ValueError:
            number = low - 1
        if isinstance(value, bool) or not low <= number <= high:
            raise BadInput(f"{value!r} is not {what} from {low:g} to {high:g}")
        return number

    return parse


def duration(value: object) -> int:
    """A time in nanoseconds, as `120s` or `2m`."""
    span_ns = parse_duration_ns(str(value))
    if span_ns <= 0:
        raise BadInput(f"{value!r} leaves no time at all", hint="write it like 120s or 2m")
    return span_ns


def size(value: object) -> int:
    """Bytes, as `4GB`."""
    count = parse_size_bytes(str(value))
    if isinstance(value, bool) or count < 1:
        raise BadInput(f"{value!r} leaves no memory at all", hint="write it like 4GB")
    return count


def names(value: object) -> tuple[str, ...]:
    """Names, with commas between them or as a list."""
    parts = value if isinstance(value, list) else str(value).split(",")
    names = tuple(str(part).strip() for part in parts if str(part).strip())
    if not names:
        raise BadInput(f"{value!r} names nothing", hint="write names with commas between them")
    return names


def one_of(*allowed: str) -> Callable[[object], str]:
    """One of these words."""

    def parse(value: object) -> str:
        if value not in allowed:
            raise UnknownName("value", str(value), allowed)
        return str(value)

    return parse


def url(value: object) -> str:
    """An address that begins with http:// or https://."""
    address = text(value).strip().rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise BadInput(f"{address!r} is not a URL", hint="write it like http://localhost:5273/v1")
    return address


def currency(value: object) -> str:
    """Three letters."""
    text = str(value).strip().upper()
    if len(text) != 3 or not text.isascii() or not text.isalpha():
        raise BadInput(f"{value!r} is not a currency", hint="write three letters, such as EUR or USD")
    return text
