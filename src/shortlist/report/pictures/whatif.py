"""What would change this: for each need, who would be picked at every value of its limit."""

import math

from shortlist.choose.decision import Need, Segment
from shortlist.report.escape import one_line
from shortlist.report.pictures.needs import LEFT
from shortlist.report.scales import Scale, linear, spaced
from shortlist.report.scene import Scene
from shortlist.report.svg import NOTE, Box, Pen, Picture
from shortlist.report.textsize import cut_middle, text_width
from shortlist.report.verdicts import figure_name, limit_of, operator_of, outcome_words, quantity, unit_of

_RIGHT, _WIDTH, _TOP, _ROW, _BAR = 700.0, 720.0, 8.0, 74.0, 26.0
_SHORTEST = 8


def what_if(scene: Scene, name: str = "what-if") -> Picture | None:
    """A bar per need with a segment per outcome and a tick at the present limit; None where nothing was swept."""
    decision = scene.decision
    swept = [] if decision is None else [need for need in decision.needs if _segments(scene, need)]
    if decision is None or not swept:
        return None
    pen = Pen(
        name,
        _WIDTH,
        "What would change this",
        "For each need, the outcome at every value of its limit while the other needs stay. The heavy tick is the "
        "present limit. Hatched: it could not be told.",
    )
    for place, need in enumerate(swept):
        _bar(pen, scene, need, _TOP + 16 + place * _ROW)
    pen.grow(_TOP + 16 + len(swept) * _ROW - 12)
    return pen.finish()


def _segments(scene: Scene, need: Need) -> tuple[Segment, ...]:
    if scene.decision is None or isinstance(need.limit, str):
        return ()
    return tuple(scene.decision.sweeps.get(need.text, ()))


def _breaks(segments: tuple[Segment, ...]) -> list[float]:
    found = {end for one in segments for end in (one.low, one.high) if end is not None and math.isfinite(end)}
    return sorted(found)


def _bar(pen: Pen, scene: Scene, need: Need, top: float) -> None:
    segments = _segments(scene, need)
    limit = 0.0 if isinstance(need.limit, str) else need.limit
    breaks = _breaks(segments)
    low, high = min([*breaks, limit]), max([*breaks, limit])
    room = (high - low) * 0.22 or abs(limit) * 0.25 or 0.1
    start = max(0.0, low - room) if low >= 0 else low - room
    scale = linear(start, high + room, LEFT, _RIGHT)
    words = cut_middle(f"{figure_name(need.figure)} {operator_of(need)}", LEFT - 20)
    pen.text((LEFT - 12, top + 18), words, "", "end")
    for one in segments:
        _segment(pen, scene, one, scale, (top, scale(limit)))
    now = scale(limit)
    pen.line((now, top - 5), (now, top + _BAR + 5), "now")
    shown = f"now {limit_of(need)}"
    half = text_width(shown, is_bold=True) / 2
    pen.text((min(max(now, LEFT + half), _RIGHT - half), top - 9), shown, "strong", "middle")
    unit = unit_of(need.figure)
    marks = [(scale(value), quantity(value, unit)) for value in breaks]
    for at, label in spaced(marks, NOTE):
        edge = min(at, _WIDTH - 4 - text_width(label, NOTE) / 2)
        pen.text((edge, top + _BAR + 16), label, "note", "middle")


def _segment(pen: Pen, scene: Scene, one: Segment, scale: Scale, place: tuple[float, float]) -> None:
    decision = scene.decision
    if decision is None:
        return
    top, now = place
    left = LEFT if one.low is None else scale(one.low)
    right = _RIGHT if one.high is None else scale(one.high)
    box = Box(left, top, right, top + _BAR)
    is_pick = one.pick is not None and one.pick == scene.pick
    pen.rect(box, "segpick" if is_pick else "seg")
    if one.pick is None and one.verdict == "not_enough_evidence":
        pen.hatch(box)
    if left < now < right:  # the label stands on the wider side of the tick
        left, right = (left, now - 2) if now - left > right - now else (now + 2, right)
    words = _fitting(outcome_words(decision, one.verdict, one.pick), one, right - left - 8, is_bold=is_pick)
    if words:
        style = "accent strong halo" if is_pick else "halo"
        pen.text(((left + right) / 2, top + 17), words, style, "middle")


def _fitting(words: str, one: Segment, room: float, *, is_bold: bool) -> str:
    """The longest way to say it that fits; a name loses its middle down to eight letters; else nothing."""
    words = one_line(words)
    short = {"none_qualifies": "none", "not_enough_evidence": "?"}.get(one.verdict, "")
    for said in (words, "" if one.pick else short):
        if said and text_width(said, is_bold=is_bold) <= room:
            return said
    cut = cut_middle(words, room, is_bold=is_bold) if one.pick else ""
    return cut if len(cut) >= _SHORTEST else ""
