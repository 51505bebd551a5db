"""What a tuning came to, in words and two tables of 80 columns; and the same as JSON."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.profiles import Profile
from shortlist.records import Interval, Json, to_builtins
from shortlist.report.escape import one_line
from shortlist.report.numbers import ratio, with_error
from shortlist.stats.equivalence import Comparison
from shortlist.tune.grid import Setting
from shortlist.tune.judge import as_speedup
from shortlist.tune.search import Found, Tried
from shortlist.units import counted, duration

_WIDTH = 80
_WIDEST = 26  # of a column
_NAMES = {"tokens_per_s": "output tokens/s", "latency": "latency", "ttft": "TTFT", "throughput": "throughput"}
_FIGURES = (
    ("output tok/s", "tokens_per_s"),
    ("decode tok/s", "decode_tokens_per_s"),
    ("prefill tok/s", "prefill_tokens_per_s"),
    ("throughput", "throughput"),
    ("TTFT", "ttft.mean"),
    ("latency", "latency.mean"),
    ("memory", "memory.peak"),
)


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuning that is over. `kept`: the profile that was written; `before`: the one that was in use, if any."""

    model: str
    objective: str
    shape: str
    found: Found
    took_ns: int
    budget_ns: int
    kept: Profile | None = None
    before: Profile | None = None


def speed_interval(one: Comparison, objective: str) -> Interval:
    """How many times as fast as the default."""
    return as_speedup(one.interval, objective)


def tuned_lines(tuned: Tuned) -> list[str]:
    """The outcome first, then before and after, then everything that was tried."""
    found = tuned.found
    lines = [*_wrap(_headline(tuned)), *_wrap(f"Asked: {tuned.shape}.", "  ")]
    for sentence in _about_profile(tuned):
        lines += _wrap(sentence, "  ")
    lines += ["", *_before_and_after(tuned), "", *_tried(found, tuned.objective)]
    for why in dict.fromkeys(found.untried.values()):
        names = [_name(found, one.setting) for one in found.tried if found.untried.get(one.setting.label) == why]
        lines += _wrap(f"not tried, {why}: {'; '.join(names)}", "  ")
    for note in found.notes:
        lines += _wrap(f"! {note}")
    lines += _wrap(_barred(found), "  ") if _barred(found) else []
    runs = [one.run for one in found.phases if one.run]
    lines += _wrap(f"{duration(tuned.took_ns)} of {duration(tuned.budget_ns)}; kept as runs {', '.join(runs)}", "  ")
    return lines


def _headline(tuned: Tuned) -> str:
    found, name = tuned.found, _NAMES[tuned.objective]
    if found.pick is not None:
        told = found.verdicts[found.pick.label]
        change = ratio(speed_interval(told, tuned.objective))
        return f"{tuned.model}: {_name(found, found.pick)} is faster than the default: {name} {change}, {_rounds(told)}"
    if found.outcome == "nothing faster":
        return f"{tuned.model}: nothing faster than the default was found, in {name}"
    return f"{tuned.model}: not told apart from the default in this time, in {name}: the default stays"


def _rounds(one: Comparison) -> str:
    return f"over {counted(one.interval.n, 'paired round')}"


def _about_profile(tuned: Tuned) -> list[str]:
    if tuned.kept is not None and tuned.kept.changes:
        return [f"Kept: bench, model run and the service open it so. `shortlist tune {tuned.model} --undo` undoes it."]
    if tuned.kept is not None:
        since = "earlier" if tuned.before is None else f"of {tuned.before.at[:10]}"
        return [f"The profile {since} is no faster than the default now, and is dropped."]
    if tuned.before is not None:
        return [f"The profile of {tuned.before.at[:10]} stays: {', '.join(tuned.before.changes) or 'the defaults'}."]
    return []


def _before_and_after(tuned: Tuned) -> list[str]:
    found, last = tuned.found, tuned.found.last
    if last is None:
        return ["the default was not measured in this time"]
    shown = [found.base, *_beside(found)]
    columns = [(one, last.evidence[one.label].figures) for one in shown if one.label in last.evidence]
    rows = [["", *(_name(found, one) for one, _ in columns)]]
    for title, figure in _FIGURES:
        if any(figures.get(figure) is not None for _, figures in columns):
            rows.append([title, *(with_error(figures.get(figure)) for _, figures in columns)])
    return _columns(rows)


def _beside(found: Found) -> list[Setting]:
    """What stands beside the default: the pick, else what came nearest to one; and the fastest other variant."""
    told = {one.label: one for one in (t.setting for t in found.tried)}
    named = [found.pick] if found.pick else [told[label] for label in found.verdicts if label in told][:1]
    other = [] if found.other is None or found.other.label not in found.verdicts else [found.other]
    return list({one.label: one for one in [*named, *other]}.values())


def _tried(found: Found, objective: str) -> list[str]:
    rows = [["tried", "speed over default", "rounds", "what became of it"]]
    for one in found.tried:
        if one.setting.label in found.untried:
            continue
        told = found.verdicts.get(one.setting.label)
        speed = ratio(speed_interval(told, objective)) if told else _point(one)
        if one.setting.label == found.base.label:
            speed = "1"
        rows.append([_name(found, one.setting), speed, str(one.rounds or "–"), _fate(one)])
    return _columns(rows)


def _fate(one: Tried) -> str:
    """With how many prompts were answered otherwise, and the character from which on."""
    changed = one.change
    if changed is None or not changed.changed or one.setting.model:
        return one_line(one.fate)
    return one_line(f"{one.fate}: {changed.changed} of {changed.prompts}, from character {changed.first_character}")


def _name(found: Found, one: Setting) -> str:
    """The label, without the engine where there is one only."""
    is_single = len({tried.setting.engine for tried in found.tried}) == 1
    return one_line(one.label.replace(f"{one.engine} ", "", 1) if is_single else one.label)


def _point(one: Tried) -> str:
    return "–" if one.speedup is None else ratio(Interval(one.speedup, None, None, 0.95, "", one.rounds, "ratio"))


def _barred(found: Found) -> str:
    fast = [one for one in found.tried if one.is_barred and (one.speedup or 0) > 1.02 and not one.setting.model]
    if not fast:
        return ""
    return (
        f"looked faster, and may change what the model says: {'; '.join(_name(found, one.setting) for one in fast)}; "
        "--allow-output-change lets such a setting win"
    )


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side; a long name has a line of its own, and the last column is wrapped under itself."""
    widths = [max(min(len(row[place]), _WIDEST) for row in rows) for place in range(len(rows[0]) - 1)]
    left = sum(widths) + 2 * len(widths) + 2
    lines = []
    for row in rows:
        name, *cells = row
        if len(name) > widths[0]:
            lines.append(f"  {name}")
            name = ""
        head = "  " + "".join(f"{cell:<{width}}  " for cell, width in zip([name, *cells[:-1]], widths, strict=True))
        parts = textwrap.wrap(cells[-1], max(12, _WIDTH - left)) or [""]
        lines += [(head + parts[0]).rstrip(), *(" " * left + part for part in parts[1:])]
    return lines


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(one_line(text), _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ",
                         break_on_hyphens=False)  # fmt: skip


def tuned_data(tuned: Tuned) -> Json:
    """The same as data."""
    found, last = tuned.found, tuned.found.last
    figures = {} if last is None else {label: one.figures for label, one in last.evidence.items()}
    return {
        "model": tuned.model,
        "objective": tuned.objective,
        "shape": tuned.shape,
        "outcome": found.outcome,
        "pick": None if found.pick is None else found.pick.label,
        "default": found.base.label,
        "profile": to_builtins(tuned.kept),
        "before": to_builtins(tuned.before),
        "figures": {label: to_builtins(dict(one)) for label, one in figures.items()},
        "compared": {
            label: {"verdict": one.verdict, "speedup": to_builtins(speed_interval(one, tuned.objective))}
            for label, one in found.verdicts.items()
        },
        "tried": [
            {
                "setting": one.setting.label,
                "engine": one.setting.engine,
                "model": one.setting.model or tuned.model,
                "options": to_builtins(one.setting.tuned),
                "speedup": one.speedup,
                "rounds": one.rounds,
                "answers": to_builtins(one.change),
                "fate": one.fate,
            }
            for one in found.tried
        ],
        "untried": dict(found.untried),
        "runs": [
            {"phase": one.name, "run": one.run, "disturbed": one.disturbed, "versions": dict(one.versions)}
            for one in found.phases
        ],
        "took_ns": tuned.took_ns,
        "budget_ns": tuned.budget_ns,
    }
