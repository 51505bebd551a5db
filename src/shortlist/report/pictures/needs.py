"""Need strips: who meets a need, by how much, and of whom it cannot be told."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.choose.decision import Need
from shortlist.records import Interval
from shortlist.report.scales import Scale, axis_unit, linear, spaced
from shortlist.report.scene import Scene
from shortlist.report.svg import NOTE, Box, Pen, Picture, number
from shortlist.report.textsize import cut_middle
from shortlist.report.verdicts import is_upper_limit, judgement_words, need_text, unit_of
from shortlist.units import is_currency

_COUNTED = ("ns", "B", "J", "tokens/s")
LEFT, RIGHT, WIDTH = 196.0, 590.0, 720.0
_TOP, _ROW = 34.0, 26.0


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    shape: int
    interval: Interval | None
    words: str
    is_pick: bool


def need_strip(scene: Scene, need: Need, name: str) -> Picture | None:
    """One need, a row per candidate. None where nothing was measured, or the limit is no number."""
    rows = _rows(scene, need)
    limit = need.limit
    if isinstance(limit, str) or not any(row.interval is not None and row.interval.point is not None for row in rows):
        return None
    unit = next((row.interval.unit for row in rows if row.interval is not None), unit_of(need.figure))
    about = "The 95 % interval of each candidate and its point; the hatched side fails the need."
    pen = Pen(name, WIDTH, f"Need: {need_text(need)}", about)
    bottom = _TOP + _ROW * len(rows)
    scale = linear(*domain([row.interval for row in rows], limit, unit), LEFT, RIGHT)
    _ground(pen, scale, need, limit, bottom)
    ticks(pen, scale, unit, bottom)
    for place, row in enumerate(rows):
        _row(pen, scale, row, _TOP + _ROW * (place + 0.5))
    at = scale(limit)
    pen.line((at, _TOP - 6), (at, bottom + 4), "need")
    words = f"need {need_text(need).removeprefix(scene.name_of(need.figure)).strip()}"
    pen.text((min(max(at, LEFT + 40), RIGHT - 20), _TOP - 12), words, "strong", "middle")
    pen.grow(bottom + 26)
    return pen.finish()


def _rows(scene: Scene, need: Need) -> list[_Row]:
    if scene.decision is None:
        return []
    found = []
    for candidate in (one.candidate for one in scene.summary.candidates):
        judged = scene.judgement(candidate, need)
        if judged is not None:
            shape = scene.shape(candidate)
            words = judgement_words(judged)
            found.append(_Row(scene.label(candidate), shape, judged.interval, words, candidate == scene.pick))
    quality = scene.summary.quality
    if need.figure in ("facets", "quality") and quality is not None and found:
        found += [_Row(scene.label(name), 5, one, "– the floor", False) for name, one in quality.nulls.items()]
    return found


def domain(intervals: Sequence[Interval | None], limit: float, unit: str) -> tuple[float, float]:
    """Ends of an axis that shows every interval and the limit; from zero where that costs little room."""
    ends = [limit]
    for one in intervals:
        if one is not None:
            ends += [end for end in (one.point, one.low, one.high) if end is not None and math.isfinite(end)]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.12 or abs(high) * 0.1 or 0.1
    start = 0.0 if 0 <= low < 0.55 * high and (unit in _COUNTED or unit == "share") else low - room
    is_unsigned = low >= 0
    stop = high + room
    is_counted = unit in _COUNTED or is_currency(unit)
    is_share = unit == "share" or (is_unsigned and high <= 1 and not is_counted)
    return (max(0.0, start) if is_unsigned else start), (min(1.0, stop) if is_share else stop)


def _ground(pen: Pen, scale: Scale, need: Need, limit: float, bottom: float) -> None:
    at = scale(limit)
    is_upper = is_upper_limit(need)
    pen.hatch(Box(at if is_upper else LEFT, _TOP, RIGHT if is_upper else at, bottom))
    pen.line((LEFT, bottom), (RIGHT, bottom), "axis")


def ticks(pen: Pen, scale: Scale, unit: str, bottom: float, *, about: int = 6) -> None:
    """Ticks and their labels under an axis, thinned so that none touch."""
    count = axis_unit(unit, scale.high)
    marks = [(scale(tick), count.label(tick)) for tick in _round_ticks(scale, count.divisor, about)]
    for at, label in spaced(marks, NOTE):
        pen.line((at, bottom), (at, bottom + 4), "axis")
        pen.text((at, bottom + 17), label, "note", "middle")


def _round_ticks(scale: Scale, divisor: float, about: int) -> tuple[float, ...]:
    """Ticks that are round in the axis's own unit."""
    own = Scale(scale.low / divisor, scale.high / divisor, scale.start, scale.end, scale.is_log)
    return tuple(tick * divisor for tick in own.ticks(about))


def _row(pen: Pen, scale: Scale, row: _Row, y: float) -> None:
    style = "accent" if row.is_pick else ""
    label = cut_middle(row.label, LEFT - 20, is_bold=True)
    pen.text((LEFT - 12, y + 4), label, f"{style} strong" if row.is_pick else style, "end")
    draw_interval(pen, scale, row.interval, y)
    if row.interval is not None and row.interval.point is not None:
        pen.marker((scale(row.interval.point), y), row.shape, "point pick" if row.is_pick else "point")
    pen.text((RIGHT + 12, y + 4), cut_middle(row.words, WIDTH - RIGHT - 16), "")


def draw_interval(pen: Pen, scale: Scale, interval: Interval | None, y: float) -> None:
    """A horizontal interval with small ends; an open end is an arrow at the edge."""
    if interval is None or interval.method == "exact" or (interval.low is None and interval.high is None):
        return
    low = scale.start if interval.low is None else scale(interval.low)
    high = scale.end if interval.high is None else scale(interval.high)
    pen.line((low, y), (high, y), "ci")
    for at, end, outwards in ((low, interval.low, -1), (high, interval.high, 1)):
        if end is None or not math.isfinite(end):
            pen.path(f"M{number(at - 5 * outwards)} {number(y - 4)}L{number(at)} {number(y)}l{-5 * outwards} 4", "cap")
        else:
            pen.line((at, y - 5), (at, y + 5), "cap")
