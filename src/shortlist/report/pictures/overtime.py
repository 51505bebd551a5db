"""Latency over the run: a dot per request in the order of sending, with what disturbed it."""

from shortlist.report.pictures.needs import ticks
from shortlist.report.scales import Scale, axis_unit, linear, logarithmic
from shortlist.report.scene import Scene
from shortlist.report.svg import NOTE, Box, Pen, Picture, dots, text_box
from shortlist.report.textsize import cut_middle, text_width
from shortlist.results.series import CandidateSeries, TimedRequest

_WIDTH, _LEFT, _RIGHT, _TOP = 720.0, 60.0, 706.0, 12.0
_HEIGHT, _HEAD = 62.0, 24.0
_MINUTE_NS = 60 * 10**9


def over_time(scene: Scene, name: str = "over-time") -> Picture | None:
    """A strip per candidate over one axis of time; None without a series."""
    if scene.series is None:
        return None
    strips = [one for one in scene.series.candidates if one.requests or one.repeated]
    if not strips:
        return None
    pen = Pen(
        name,
        _WIDTH,
        "Latency over the run",
        "A dot per request in the order of sending. Grey spans are disturbances with their cause; hollow dots were "
        "measured again and are kept beside.",
    )
    last = max(request.offset_ns for one in strips for request in (*one.requests, *one.repeated))
    spans = [span.end_ns for one in strips for span in one.disturbed]
    x = linear(0, float(max([last, *spans])) * 1.01 or 1.0, _LEFT, _RIGHT)
    for place, one in enumerate(strips):
        _strip(pen, scene, one, x, _TOP + _HEAD + place * (_HEIGHT + _HEAD))
    bottom = _TOP + len(strips) * (_HEIGHT + _HEAD)
    _time_ticks(pen, x, bottom + 4)
    pen.text((_LEFT, bottom + 42), _count(strips), "note")
    pen.grow(bottom + 52)
    return pen.finish()


def _count(strips: list[CandidateSeries]) -> str:
    repeated = sum(len(one.repeated) for one in strips)
    total = sum(len(one.requests) for one in strips)
    if not repeated:
        return f"{total} requests; none was measured again"
    return f"{total} requests; hollow: {repeated} attempts that were measured again and are kept beside"


def _strip(pen: Pen, scene: Scene, one: CandidateSeries, x: Scale, top: float) -> None:
    values = [float(request.latency_ns) for request in (*one.requests, *one.repeated) if request.latency_ns > 0]
    if not values:
        return
    bottom = top + _HEIGHT
    y = logarithmic(min(values), max(values), bottom, top)
    is_pick = one.candidate == scene.pick
    name = cut_middle(scene.label(one.candidate), 300, is_bold=True)
    pen.text((_LEFT, top - 6), name, "accent strong" if is_pick else "strong")
    _spans(pen, one, x, top)
    _ticks(pen, y)
    pen.path(dots(_at(one.requests, x, y)), "dotspick" if is_pick else "dots")
    for at in _at(one.repeated, x, y):
        pen.add_circle(at, 3.2, "hollow")


def _at(requests: tuple[TimedRequest, ...], x: Scale, y: Scale) -> list[tuple[float, float]]:
    timed = (one for one in requests if one.latency_ns > 0)
    return list(dict.fromkeys((round(x(one.offset_ns) * 2) / 2, round(y(one.latency_ns) * 2) / 2) for one in timed))


def _spans(pen: Pen, one: CandidateSeries, x: Scale, top: float) -> None:
    for span in one.disturbed:
        left, right = x(span.start_ns), max(x(span.end_ns), x(span.start_ns) + 3)
        pen.rect(Box(left, top, right, top + _HEIGHT), "band")
    for span in one.disturbed:
        room = _RIGHT - _LEFT - 320
        words = cut_middle(span.cause, room, NOTE)
        start = min(max(x(span.start_ns), _LEFT), _RIGHT - text_width(words, NOTE))
        if pen.is_free(text_box((start, top - 6), words, "note"), Box(0, 0, _WIDTH, top)):
            pen.text((start, top - 6), words, "note")


def _ticks(pen: Pen, y: Scale) -> None:
    unit = axis_unit("ns", y.high)
    own = Scale(y.low / unit.divisor, y.high / unit.divisor, y.start, y.end, is_log=True)
    reached = y.start + 20
    for tick in own.ticks(3):
        level = own(tick)
        pen.line((_LEFT, level), (_RIGHT, level), "grid")
        if reached - level >= NOTE * 1.3:
            pen.text((_LEFT - 6, level + 4), unit.label(tick * unit.divisor), "note", "end")
            reached = level


def _time_ticks(pen: Pen, x: Scale, bottom: float) -> None:
    pen.line((_LEFT, bottom), (_RIGHT, bottom), "axis")
    if x.high < 2 * _MINUTE_NS:
        ticks(pen, x, "ns", bottom, about=8)
        return
    divisor, name = (_MINUTE_NS, "min") if x.high < 120 * _MINUTE_NS else (60 * _MINUTE_NS, "h")
    own = Scale(0, x.high / divisor, x.start, x.end)
    for tick in own.ticks(8):
        words = f"{tick:g} {name}"
        spot = min(own(tick), _WIDTH - 2 - text_width(words, NOTE) / 2)
        pen.line((own(tick), bottom), (own(tick), bottom + 4), "axis")
        pen.text((spot, bottom + 17), words, "note", "middle")
