"""needs.toml: `[needs]`, `[prefer]`, `[margins]`. Every error names file and place; unknown keys are errors."""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from shortlist.choose.decision import Need
from shortlist.choose.needs import check_together, parse_need
from shortlist.choose.preferences import Weight, find_preference
from shortlist.errors import BadInput, InvalidFile
from shortlist.files import MAX_FILE_BYTES, convert
from shortlist.results import changes
from shortlist.units import parse_duration_ns, parse_size_bytes

MARGINS: Mapping[str, float] = {**changes.MARGINS, "score": 0.05}
"""Within these two candidates are called equivalent: shares for speed and memory, scores for the others."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Hard constraints and preferences. No `prefer`: by what was measured. With `weights` there is no order."""

    needs: tuple[Need, ...] = ()
    prefer: tuple[str, ...] = ()
    weights: tuple[Weight, ...] = ()
    margins: Mapping[str, float] = field(default_factory=lambda: dict(MARGINS))


class _Margins(msgspec.Struct, forbid_unknown_fields=True):
    speed: float = MARGINS["speed"]
    memory: float = MARGINS["memory"]
    facets: float = MARGINS["facets"]
    rating: float = MARGINS["rating"]
    score: float = MARGINS["score"]


class _Weight(msgspec.Struct, forbid_unknown_fields=True):
    weight: float
    worst: float | str
    best: float | str


class _Prefer(msgspec.Struct, forbid_unknown_fields=True):
    order: list[str] = []
    weights: dict[str, _Weight] = {}


class _NeedsFile(msgspec.Struct, forbid_unknown_fields=True):
    needs: list[str] | dict[str, Any] = []
    prefer: _Prefer = msgspec.field(default_factory=_Prefer)
    margins: _Margins = msgspec.field(default_factory=_Margins)


def load_needs(path: Path) -> Needs:
    """A needs.toml. Raises InvalidFile with the place inside and what was expected there."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidFile(path, "", f"is larger than {MAX_FILE_BYTES // 10**6} MB")
        decoded = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InvalidFile(path, "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidFile(path, f"byte {error.start}", "not UTF-8") from None
    except RecursionError:
        raise InvalidFile(path, "", "is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidFile(path, "", f"not TOML: {error}") from None
    try:
        return _parse(convert(decoded, _NeedsFile, path, ""), path)
    except InvalidFile as error:
        raise InvalidFile(path, error.place.removeprefix("."), error.expected, hint=error.hint) from None


def _parse(file: _NeedsFile, path: Path) -> Needs:
    needs = []
    for place, text in _expressions(file.needs, path):
        with_place = _Placed(path, place)
        needs.append(with_place.attempt(lambda text=text: parse_need(text)))
    _Placed(path, "needs").attempt(lambda: check_together(needs))
    if file.prefer.order and file.prefer.weights:
        raise InvalidFile(path, "prefer", "either an order or weights, not both")
    order = _Placed(path, "prefer.order").attempt(lambda: check_order(file.prefer.order))
    weights = [_weight(name, one, path) for name, one in file.prefer.weights.items()]
    margins: dict[str, float] = msgspec.structs.asdict(file.margins)
    for name, margin in margins.items():
        if not (math.isfinite(margin) and margin >= 0):
            raise InvalidFile(path, f"margins.{name}", f"zero or more is needed, not {margin}")
    return Needs(tuple(needs), order, tuple(weights), margins)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Gives what a part's parser refuses its file and place."""

    path: Path
    place: str

    def attempt(self, work: Any) -> Any:
        try:
            return work()
        except InvalidFile:
            raise
        except BadInput as error:
            raise InvalidFile(self.path, self.place, error.message, hint=error.hint) from None


def _expressions(needs: list[str] | dict[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    """Place and expression of each: a list of expressions, or a table of figure = "<limit"."""
    if isinstance(needs, list):
        yield from ((f"needs[{place}]", text) for place, text in enumerate(needs))
        return
    for name, value in _flattened(needs):
        if not isinstance(value, str):
            raise InvalidFile(path, f"needs.{name}", f'expected text such as "<2s", not {value!r}')
        text = value.strip()
        yield f"needs.{name}", f"{name}{text if text[:1] in '<>=≤≥' else '=' + text}"


def _flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`latency.p95 = …` without quotes is a table in a table."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def check_order(order: Sequence[str]) -> tuple[str, ...]:
    """Preferences in their order. Raises UnknownName, BadInput on one that occurs twice."""
    names = [name.strip().lower() for name in order]
    for name in names:
        find_preference(name)
        if names.count(name) > 1:
            raise BadInput(f"the preference {name!r} is given twice", hint="give each once, the weightiest first")
    return tuple(names)


def parse_order(text: str) -> tuple[str, ...]:
    """`quality,latency` as typed. Raises UnknownName, BadInput."""
    return check_order([part for part in text.split(",") if part.strip()])


def _weight(name: str, one: _Weight, path: Path) -> Weight:
    place = _Placed(path, f"prefer.weights.{name}")
    preference = place.attempt(lambda: find_preference(name))
    worst, best = (
        place.attempt(lambda value=value: _scale_end(value, preference.unit)) for value in (one.worst, one.best)
    )
    if not (math.isfinite(one.weight) and one.weight > 0):
        raise InvalidFile(path, f"prefer.weights.{name}.weight", f"a number above zero is needed, not {one.weight}")
    if worst == best or (worst > best) != preference.lower_is_better:
        less = "less" if preference.lower_is_better else "more"
        raise InvalidFile(path, f"prefer.weights.{name}", f"worst and best the wrong way round: {less} is better")
    return Weight(name, one.weight, worst, best)


def _scale_end(value: float | str, unit: str) -> float:
    if unit in ("ns", "B"):
        example = "2s" if unit == "ns" else "4GB"
        if not isinstance(value, str):
            raise BadInput(f"{value} has no unit", hint=f'write it like "{example}"')
        return float(parse_duration_ns(value) if unit == "ns" else parse_size_bytes(value))
    if isinstance(value, str) or not math.isfinite(value):
        raise BadInput(f"{value!r} is not a number", hint="write it like 0.5")
    return value


def join_needs(file: Needs | None, typed: Sequence[Need], order: Sequence[str] = ()) -> Needs:
    """What a file says and what was typed beside it: a typed order, or need on a figure, replaces the file's.

    Raises BadInput where typed needs contradict each other.
    """
    given = file or Needs()
    replaced = {need.figure for need in typed}
    kept = [need for need in given.needs if need.figure not in replaced]
    joined = replace(given, needs=check_together([*kept, *typed]))
    return replace(joined, prefer=tuple(order), weights=()) if order else joined
