"""The decision on a terminal: the sentence, who meets what, need strips in text, what it rests on, what to run next."""

import math
import textwrap
from collections.abc import Callable

from rich.cells import cell_len
from rich.text import Text

from shortlist.choose.decision import Decision, Need, NeedJudgement
from shortlist.records import Interval
from shortlist.report.escape import ascii_only, one_line
from shortlist.report.numbers import with_error
from shortlist.report.pictures.needs import domain
from shortlist.report.scales import Scale, axis_unit, linear
from shortlist.report.scene import Scene
from shortlist.report.verdicts import (
    figure_name,
    flip_lines,
    footing,
    judgement_words,
    limit_of,
    operator_of,
    standing,
    standing_words,
    unit_of,
)

_GLYPHS = {"pick": "✓", "equivalent": "=", "out": "✕", "cannot tell": "?", "passes": "✓", "not judged": "–"}
_MARKS = {"fail": "✕", "cannot tell": "?", "pass": " "}
_WORDS_WIDTH = 14
_NAME_WIDTH = 20
_SHORT_HEADS = {"latency.p95": "latency p95", "memory.peak": "memory", "tokens_per_s": "tok/s", "facets": "facets"}


def decision_lines(scene: Scene, *, is_ascii: bool = False, width: int = 80) -> list[Text]:
    """All lines, none wider than `width`; nothing without a decision."""
    decision = scene.decision
    if decision is None:
        return []
    sign = ascii_only if is_ascii else str
    lines = _wrapped(sign(one_line(decision.sentence)), width, "", "bold")
    lines.append(Text())
    lines += _needs_table(scene, decision, sign, width)
    for need in decision.needs:
        strip = _strip(scene, decision, need, is_ascii=is_ascii, width=width)
        if strip:
            lines += [Text(), *strip]
    lines.append(Text())
    for said in footing(decision):
        lines += _wrapped(sign(one_line(said)), width, "  ")
    flips = flip_lines(decision)
    if flips:
        lines += _wrapped(sign(one_line("Would change: " + "; ".join(flips) + ".")), width, "  ")
    for advice in decision.advice:
        lines += _wrapped(sign(one_line(advice.text)), width, "  ")
        if advice.command:  # to paste: it stays on one line, however long
            lines.append(Text(f"    {sign(one_line(advice.command))}"))
    lines.append(Text())
    return lines


def _wrapped(text: str, width: int, indent: str, style: str = "") -> list[Text]:
    found = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return [Text(line, style=style) for line in found]


def _names(scene: Scene, decision: Decision) -> list[str]:
    """Candidates of the run that were judged, the pick first."""
    known = [one.candidate for one in scene.summary.candidates]
    known += [judged.candidate for judged in decision.judgements]
    judged = {one.candidate for one in decision.judgements} | set(decision.choice.equivalents) | {decision.choice.pick}
    return sorted((one for one in dict.fromkeys(known) if one in judged), key=lambda one: one != decision.choice.pick)


def _needs_table(scene: Scene, decision: Decision, sign: Callable[[str], str], width: int) -> list[Text]:
    names = _names(scene, decision)
    if not names:
        return []
    needs = [need for need in decision.needs if need.is_asked or _is_broken(decision, need)]
    needs = [need for need in needs if not isinstance(need.limit, str) or _is_broken(decision, need)]
    columns = [(_SHORT_HEADS.get(need.figure, figure_name(need.figure)), need) for need in needs]
    cells = {need.text: [sign(_cell(scene.judgement(candidate, need))) for candidate in names] for _, need in columns}
    labels = [one_line(scene.label(candidate)) for candidate in names]
    nulls = [sign(with_error(one)) for one in scene.summary.quality.nulls.values()] if scene.summary.quality else []
    below = {need.text: nulls if need.figure == "facets" else [] for _, need in columns}
    widths = [max(map(cell_len, (head, *cells[need.text], *below[need.text]))) for head, need in columns]
    while columns and min(max(map(cell_len, labels)), _NAME_WIDTH) + 6 + sum(2 + w for w in widths) > width:
        columns, widths = columns[:-1], widths[:-1]
    room = max(8, width - 6 - sum(2 + w for w in widths))
    name_width = min(max(cell_len(sign(label)) for label in labels), room)
    head = "".join(f"  {_padded(sign(text), w)}" for (text, _), w in zip(columns, widths, strict=True))
    lines = [Text((" " * (name_width + 5) + head).rstrip())] if columns else []
    for row, candidate in enumerate(names):
        where = standing(decision, candidate)
        line = Text(f"  {_padded(cut(sign(labels[row]), name_width, sign('…')), name_width)}  ")
        line.append(sign(_GLYPHS[where]), {"pick": "green", "out": "red", "cannot tell": "yellow"}.get(where, ""))
        rest = "".join(f"  {_padded(cells[need.text][row], w)}" for (_, need), w in zip(columns, widths, strict=True))
        line.append(rest.rstrip())
        lines.append(line)
        words = standing_words(decision, candidate)
        lines += _wrapped(sign(one_line(words[2:])), width, "      ")
    return lines + _null_lines(scene, columns, widths, name_width, sign)


def _null_lines(
    scene: Scene, columns: list[tuple[str, Need]], widths: list[int], name_width: int, sign: Callable[[str], str]
) -> list[Text]:
    """The empty answer and the echo, where facets are in the table."""
    quality = scene.summary.quality
    if quality is None or not any(need.figure == "facets" for _, need in columns):
        return []
    lines = []
    for name, interval in quality.nulls.items():
        line = f"  {_padded(sign(cut(f'{name} (null)', name_width)), name_width)}   "
        for (_, need), room in zip(columns, widths, strict=True):
            line += "  " + _padded(sign(with_error(interval)) if need.figure == "facets" else "", room)
        lines.append(Text(line.rstrip()))
    return lines


def _is_broken(decision: Decision, need: Need) -> bool:
    return any(one.need.text == need.text and one.verdict != "pass" for one in decision.judgements)


def _cell(judged: NeedJudgement | None) -> str:
    if judged is None:
        return "–"
    if judged.interval is None:
        return {"pass": "pass", "fail": "fail ✕", "cannot tell": "not known ?"}[judged.verdict]
    return f"{with_error(judged.interval)} {_MARKS[judged.verdict]}".rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """A name in so many columns: a long one loses its middle."""
    if cell_len(text) <= width:
        return text
    keep = max(0, width - len(ellipsis))
    while keep and cell_len(text[: keep - keep // 2] + text[len(text) - keep // 2 :]) > width - len(ellipsis):
        keep -= 1
    return text[: keep - keep // 2] + ellipsis + text[len(text) - keep // 2 :]


# --- strips -----------------------------------------------------------------------------------------------------------


def _strip(scene: Scene, decision: Decision, need: Need, *, is_ascii: bool, width: int) -> list[Text]:
    """A need as a picture in text: an axis, a row per candidate, the verdict in words."""
    sign = ascii_only if is_ascii else str
    judged = [(one, scene.judgement(one, need)) for one in _names(scene, decision)]
    judged = [(one, found) for one, found in judged if found is not None]
    intervals = [found.interval for _, found in judged if found is not None]
    if isinstance(need.limit, str) or not need.is_asked or all(i is None or i.point is None for i in intervals):
        return []
    unit = next((i.unit for i in intervals if i is not None), unit_of(need.figure))
    head = sign(f"{figure_name(need.figure)} {operator_of(need)} {limit_of(need)}")
    names = [sign(one_line(scene.label(candidate))) for candidate, _ in judged]
    name_width = min(max(map(cell_len, [head, *names])), 22, width // 3)
    room = width - name_width - 4 - _WORDS_WIDTH
    if room < 20:
        return []
    low, high = domain(intervals, need.limit, unit)
    scale = linear(low, high, 0, room - 1)
    lines = [Text(f"  {_padded(cut(head, name_width, sign('…')), name_width)}  " + sign(_ruler(scale, unit, room)))]
    for (_, found), name in zip(judged, names, strict=True):
        bar = _bar(None if found is None else found.interval, scale, need.limit, room, is_ascii=is_ascii)
        words = sign(judgement_words(found))
        lines.append(Text(f"  {_padded(cut(name, name_width, sign('…')), name_width)}  {bar} {words}"))
    return lines


def _ruler(scale: Scale, unit: str, room: int) -> str:
    count = axis_unit(unit, scale.high)
    own = linear(scale.low / count.divisor, scale.high / count.divisor, 0, room - 1)
    line = [" "] * room
    reached = -1
    for tick in own.ticks(5):
        label = f"{tick:g}"
        at = min(round(own(tick)), room - len(label))
        if at > reached:
            line[at : at + len(label)] = label
            reached = at + len(label)
    last = "".join(line).rstrip()
    return f"{last} {count.name}".rstrip()


def _bar(interval: Interval | None, scale: Scale, limit: float, room: int, *, is_ascii: bool) -> str:
    rule, left, right, dash, point = (":", "|", "|", "-", "o") if is_ascii else ("╎", "├", "┤", "─", "●")
    line = [" "] * room
    at = round(scale(limit))
    if interval is not None and interval.point is not None:
        low = 0 if interval.low is None else round(scale(interval.low))
        high = room - 1 if interval.high is None else round(scale(interval.high))
        if interval.low is not None or interval.high is not None:
            line[low : high + 1] = dash * (high - low + 1)
            line[low], line[high] = left, right
        line[at] = rule
        if math.isfinite(interval.point):
            line[round(scale(interval.point))] = point
    else:
        line[at] = rule
    return "".join(line)
