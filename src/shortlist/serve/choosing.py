"""Which model answers where the request leaves it open: needs first, then what was measured, then what is loaded.

Pure: everything comes in as arguments, and the same arguments give the same order and the same words. The order:

1. what the request needs (tags, context, licence class, an engine's abilities) excludes, each with its reason;
2. quality measured on this host for the tag: those whose interval reaches the best one's quality go first, then those
   never measured, then those measured as worse;
3. inside a group a loaded model before one that must be loaded, then tokens per second, then bytes, then the name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shortlist.models.licence import LicenceClass
from shortlist.records import Interval
from shortlist.units import size

COMMERCIAL: tuple[LicenceClass, ...] = ("permissive", "attribution")
_GROUPS = ("could be the best", "not measured", "measured as worse")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a model: capabilities, tokens of context, what its engine must be able to do, its licence."""

    tags: tuple[str, ...] = ()
    context: int | None = None
    features: frozenset[str] = frozenset()
    is_commercial: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What a past run on this host says of a model's file. `tags`: of the prompts that it was measured with."""

    run: str
    tags: tuple[str, ...] = ()
    quality: Interval | None = None
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A model that is here. `features` None: its engine was not open yet, so it is not known what it can do."""

    name: str
    tags: tuple[str, ...] = ()
    context: int | None = None
    licence: str = ""
    licence_class: LicenceClass = "unknown"
    refused: str = ""
    size_bytes: int | None = None
    is_loaded: bool = False
    features: frozenset[str] | None = None
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """One place in the order. `why` in words; `group` is the first thing that it is ordered by."""

    option: Option
    group: str
    why: str


@dataclass(frozen=True, slots=True)
class Excluded:
    """A model that cannot answer this, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Order:
    """Who is asked first, who next when that fails, and who never."""

    wish: Wish
    ranked: tuple[Ranked, ...] = ()
    excluded: tuple[Excluded, ...] = ()


def order(wish: Wish, options: Iterable[Option]) -> Order:
    """Rank what is here."""
    kept: list[Option] = []
    excluded: list[Excluded] = []
    for option in options:
        reason = _unfit(wish, option)
        if reason:
            excluded.append(Excluded(option.name, reason))
        else:
            kept.append(option)
    points = [option.measured.quality.point for option in kept if option.measured and option.measured.quality]
    best = max((point for point in points if point is not None), default=None)
    rows = sorted(((_group(option, best), option) for option in kept), key=lambda row: _key(*row))
    ranked = tuple(Ranked(option, _GROUPS[group], _why(option, group)) for group, option in rows)
    return Order(wish, ranked, tuple(excluded))


def chosen(wish: Wish, options: Sequence[Option], names: Sequence[str]) -> Order:
    """The order that somebody has set: these names as they stand, less those that cannot answer."""
    by_name = {option.name: option for option in options}
    ranked: list[Ranked] = []
    excluded: list[Excluded] = []
    for name in names:
        option = by_name.get(name)
        reason = "its files are not here" if option is None else _unfit(Wish((), *_rest(wish)), option)
        if option is None or reason:
            excluded.append(Excluded(name, reason))
        else:
            ranked.append(Ranked(option, "set", _facts(option)))
    return Order(wish, tuple(ranked), tuple(excluded))


def _rest(wish: Wish) -> tuple[int | None, frozenset[str], bool]:
    return wish.context, wish.features, wish.is_commercial


def _unfit(wish: Wish, option: Option) -> str:
    """Why this one cannot answer; empty where it can, as far as is known."""
    missing = [tag for tag in wish.tags if tag not in option.tags]
    if missing:
        return f"is not tagged {', '.join(missing)}"
    if option.refused:
        return option.refused
    if wish.context is not None and option.context is not None and option.context < wish.context:
        return f"its context is {option.context}, and about {wish.context} tokens are needed"
    if wish.is_commercial and option.licence_class not in COMMERCIAL:
        return f"its licence ({option.licence or 'not known'}) is {option.licence_class}"
    if option.features is not None and (lacking := sorted(wish.features - option.features)):
        return f"its engine cannot do {', '.join(lacking)}"
    return ""


def _group(option: Option, best: float | None) -> int:
    quality = option.measured.quality if option.measured else None
    if quality is None or quality.point is None or best is None:
        return 1
    return 0 if max(quality.point, quality.high or 0) >= best else 2


def _key(group: int, option: Option) -> tuple[object, ...]:
    speed = (option.measured.tokens_per_s if option.measured else None) or 0.0
    return group, not option.is_loaded, -speed, option.size_bytes or 0, option.name


def _why(option: Option, group: int) -> str:
    return f"{_GROUPS[group]}; {_facts(option)}"


def _facts(option: Option) -> str:
    facts = ["loaded" if option.is_loaded else "not loaded"]
    measured = option.measured
    if measured is not None and measured.quality is not None and measured.quality.point is not None:
        facts.append(f"quality {_told(measured.quality)} in run {measured.run}")
    if measured is not None and measured.tokens_per_s is not None:
        facts.append(f"{measured.tokens_per_s:.0f} tokens/s")
    if option.size_bytes:
        facts.append(size(option.size_bytes))
    return ", ".join(facts)


def _told(quality: Interval) -> str:
    if quality.low is None or quality.high is None:
        return f"{quality.point:.2f} (no interval)"
    return f"{quality.point:.2f} ({quality.low:.2f} to {quality.high:.2f})"
