"""Latency of every request as a cumulative share: a panel per candidate, the others ghosted behind it."""

import math
from collections.abc import Sequence

from shortlist.choose.decision import Need
from shortlist.records import Interval
from shortlist.report.pictures.needs import draw_interval, ticks
from shortlist.report.scales import Scale, linear, logarithmic
from shortlist.report.scene import Scene
from shortlist.report.svg import NOTE, Box, Pen, Picture, polyline
from shortlist.report.textsize import cut_middle, text_width
from shortlist.report.verdicts import limit_of, operator_of
from shortlist.results.figures import CandidateSummary
from shortlist.units import duration

_WIDTH, _ACROSS, _LEFT, _GAP = 720.0, 3, 40.0, 16.0
_HEIGHT, _HEAD, _FOOT, _TOP = 118.0, 30.0, 44.0, 8.0
_PANEL = (_WIDTH - _LEFT - 10 - _GAP * (_ACROSS - 1)) / _ACROSS
_THINNEST = 1.0
"""Pixels: a band under this would be drawn wider than it is."""

_SHARES = (0.0, 0.5, 0.95)
_SUPPORTED = (("latency.p99", 0.99), ("latency.p95", 0.95), ("latency.p50", 0.50))


def latency_panels(scene: Scene, name: str = "latency") -> Picture | None:
    """None without a series. Above the last percentile that has an interval the line is faint and dotted."""
    if scene.series is None:
        return None
    drawn = [(one, _latencies(scene, one.candidate)) for one in scene.measured]
    drawn = [(one, values) for one, values in drawn if values]
    if not drawn:
        return None
    pen = Pen(
        name,
        _WIDTH,
        "Latency of every request, as a cumulative share",
        "One panel per candidate, log scale; the grey lines are the other candidates. The mark is p95 with its 95 % "
        "interval. Above the last percentile that the sample supports the line is dotted.",
    )
    need = _need(scene)
    low = min(values[0] for _, values in drawn)
    high = max([values[-1] for _, values in drawn] + ([] if need is None else [_limit(need)]))
    x = logarithmic(low, high, 0, _PANEL)
    y = linear(0, 1, _HEIGHT, 0)
    for place, (_, values) in enumerate(drawn):
        _define(pen, x, y, values, place)
    for place, (one, values) in enumerate(drawn):
        corner = _LEFT + (place % _ACROSS) * (_PANEL + _GAP), _corner_y(place)
        _error_band(pen, scene, one, x, corner)
        _panel(pen, scene, (one, values), corner, [other for other in range(len(drawn)) if other != place])
        _axes(pen, x, corner, is_first=place % _ACROSS == 0)
        _lines(pen, scene, one, (values, x, y), corner)
        if need is not None:
            _need_line(pen, need, x, corner)
    bottom = _corner_y(len(drawn) - 1) + _HEIGHT + _FOOT + 12
    for note in (*error_notes(scene, x), *withheld_notes(scene)):
        bottom = pen.paragraph((8, bottom), note, _WIDTH - 16)
    pen.grow(bottom)
    return pen.finish()


def _corner_y(place: int) -> float:
    return _TOP + _HEAD + (place // _ACROSS) * (_HEIGHT + _HEAD + _FOOT)


def _latencies(scene: Scene, candidate: str) -> list[float]:
    one = None if scene.series is None else scene.series.of(candidate)
    requests = () if one is None else one.requests
    return sorted(float(request.latency_ns) for request in requests if request.latency_ns > 0)


def _need(scene: Scene) -> Need | None:
    needs = () if scene.decision is None else scene.decision.needs
    return next((n for n in needs if n.figure == "latency.p95" and not isinstance(n.limit, str)), None)


def _limit(need: Need) -> float:
    return 0.0 if isinstance(need.limit, str) else need.limit


def _steps(x: Scale, y: Scale, values: Sequence[float], first: int, last: int) -> list[tuple[float, float]]:
    """The step line from the first to the last rank; steps that fall on one half pixel are one."""
    count = len(values)
    points: list[tuple[float, float]] = [(x(values[first]), y(first / count))]
    for rank in range(first, last):
        at = round(x(values[rank]) * 2) / 2
        level = round(y((rank + 1) / count) * 2) / 2
        if points and abs(points[-1][0] - at) < 0.25:
            points[-1] = (points[-1][0], level)
        else:
            points += [(at, points[-1][1]), (at, level)]
    return points


def _define(pen: Pen, x: Scale, y: Scale, values: Sequence[float], place: int) -> None:
    """Each line once, as a definition; the panels show it as often as they like."""
    pen.define(polyline(_steps(x, y, values, 0, len(values))), f"e{place}")


def _panel(
    pen: Pen,
    scene: Scene,
    drawn: tuple[CandidateSummary, Sequence[float]],
    corner: tuple[float, float],
    others: Sequence[int],
) -> None:
    one, values = drawn
    style = "accent strong" if one.candidate == scene.pick else "strong"
    words = f"n = {len(values)}"
    pen.text((corner[0], corner[1] - 12), cut_middle(scene.label(one.candidate), _PANEL - 66, is_bold=True), style)
    pen.text((corner[0] + _PANEL, corner[1] - 12), words, "note", "end")
    for other in others:
        pen.use(f"e{other}", corner, "ghost")


def _axes(pen: Pen, x: Scale, corner: tuple[float, float], *, is_first: bool) -> None:
    left, top = corner
    for share in _SHARES:
        level = top + _HEIGHT * (1 - share)
        pen.line((left, level), (left + _PANEL, level), "axis" if share == 0 else "grid")
        if is_first:
            pen.text((left - 6, level + 4), {0.0: "0", 0.95: "p95"}.get(share, f"p{share * 100:.0f}"), "note", "end")
    moved = Scale(x.low, x.high, left, left + _PANEL, is_log=True)
    ticks(pen, moved, "ns", top + _HEIGHT, about=5)


def _lines(
    pen: Pen,
    scene: Scene,
    one: CandidateSummary,
    drawn: tuple[Sequence[float], Scale, Scale],
    corner: tuple[float, float],
) -> None:
    values, x, y = drawn
    supported = max((share for figure, share in _SUPPORTED if _has_interval(one.figures.get(figure))), default=0.0)
    is_pick = one.candidate == scene.pick
    cut = math.floor(supported * len(values))
    solid = _moved(_steps(x, y, values, 0, cut), corner) if cut else []
    pen.path(polyline(solid), "steppick" if is_pick else "step")
    if cut < len(values):
        pen.path(polyline(_moved(_steps(x, y, values, cut, len(values)), corner)), "faint")
    p95 = one.figures.get("latency.p95")
    if p95 is not None and p95.point is not None and math.isfinite(p95.point):
        scale = Scale(x.low, x.high, corner[0], corner[0] + _PANEL, is_log=True)
        level = corner[1] + y(0.95)
        draw_interval(pen, scale, p95, level)
        pen.marker((scale(p95.point), level), scene.shape(one.candidate), "point pick" if is_pick else "point")


def _error_ends(scene: Scene, one: CandidateSummary, x: Scale) -> tuple[float, float] | None:
    """Where p95 less and plus our own error stand; None where the error is not known, or there is no p95."""
    error, p95 = scene.summary.measuring_error, one.figures.get("latency.p95")
    if error is None or p95 is None or p95.point is None or not math.isfinite(p95.point):
        return None
    ends = (max(x.low, p95.point - error.error_ns), min(x.high, p95.point + error.error_ns))
    return x(ends[0]), x(ends[1])


def _error_band(pen: Pen, scene: Scene, one: CandidateSummary, x: Scale, corner: tuple[float, float]) -> None:
    """Our own error around p95, at its true width; a band thinner than the line is said in words instead."""
    ends = _error_ends(scene, one, x)
    if ends is not None and ends[1] - ends[0] >= _THINNEST:
        pen.rect(Box(corner[0] + ends[0], corner[1], corner[0] + ends[1], corner[1] + _HEIGHT), "band")


def error_notes(scene: Scene, x: Scale) -> tuple[str, ...]:
    """`±0.30 ms: thinner than the line`, or what the grey band is; none where the error is not known."""
    error = scene.summary.measuring_error
    if error is None:
        return ()
    widths = [ends[1] - ends[0] for one in scene.measured if (ends := _error_ends(scene, one, x)) is not None]
    words = f"measuring error of a duration: ±{duration(error.error_ns)}"
    if not widths or max(widths) < _THINNEST:
        return (f"{words}: thinner than the line",)
    thin = ", under the line where there is none" if min(widths) < _THINNEST else ""
    return (f"{words}, the grey band around p95 at its true width{thin}",)


def _moved(points: Sequence[tuple[float, float]], corner: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x + corner[0], y + corner[1]) for x, y in points]


def _has_interval(interval: Interval | None) -> bool:
    return interval is not None and (interval.low is not None or interval.high is not None)


def _need_line(pen: Pen, need: Need, x: Scale, corner: tuple[float, float]) -> None:
    at = corner[0] + x(_limit(need))
    pen.line((at, corner[1] - 6), (at, corner[1] + _HEIGHT + 20), "need")
    words = f"need: p95 {operator_of(need)} {limit_of(need)}"
    half = text_width(words, NOTE, is_bold=True) / 2
    spot = min(max(at, corner[0] + half), corner[0] + _PANEL - half)
    pen.text((spot, corner[1] + _HEIGHT + 32), words, "note strong", "middle")


def withheld_notes(scene: Scene) -> tuple[str, ...]:
    """`p99 withheld: n = 120, needs 368 (31 more rounds, about 42 min)`, said once for all whom it concerns."""
    found: dict[str, list[str]] = {}
    for figure, shown in (("latency.p95", "p95"), ("latency.p99", "p99")):
        for one in scene.measured:
            interval = one.figures.get(figure)
            if interval is not None and interval.note and not _has_interval(interval):
                kind = "withheld" if interval.point is None else "without interval"
                note = f"{shown} {kind}: {interval.note.removeprefix('no interval: ')}"
                found.setdefault(note, []).append(scene.label(one.candidate))
    everyone = len(scene.measured)
    return tuple(f"{note}" + ("" if len(who) == everyone else f" ({', '.join(who)})") for note, who in found.items())
