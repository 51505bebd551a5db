"""The sentences that every form of the report shares."""

from collections.abc import Mapping

from shortlist.records import CandidateStatus
from shortlist.report.numbers import more, ratio
from shortlist.results.figures import RunSummary, SpeedComparison

GLYPHS: Mapping[CandidateStatus, str] = {"ok": "✓", "partial": "~", "failed": "✕", "skipped": "–"}

MEASURING_ERROR = "Measuring error: not known, for no self-test was recorded with this run."

_JUDGED = {"latency.mean": "latency", "tokens_per_s": "tokens/s"}
_NOTED = {"latency.p95": "p95", "latency.p99": "p99"}


def run_line(summary: RunSummary) -> str:
    """What was run, in one line."""
    name = f"{summary.name}@{summary.short_id}" if summary.name else summary.short_id
    load = summary.load
    shape = f"{load.concurrency} at a time" if load.kind == "closed" else f"{load.rate_per_s} requests/s"
    looks = f" · {summary.looks} looks" if summary.looks > 1 else ""
    flags = "".join(f" · {flag}" for flag in summary.flags)
    return f"Run {name} · {len(summary.prompts)} prompts × {summary.rounds} rounds · {shape}{looks}{flags}"


def comparison_line(summary: RunSummary, one: SpeedComparison) -> str:
    """`large, latency: worse than tiny (×3.00, 2.97 to 3.03)`."""
    label, against = summary.label_of(one.candidate), summary.label_of(one.against)
    what = f"{label}, {_JUDGED.get(one.figure, one.figure)}"
    if one.verdict is None:
        return f"{what}: cannot be compared with {against}: {one.note}"
    phrase = {
        "better": f"better than {against}",
        "worse": f"worse than {against}",
        "equivalent": f"equivalent to {against} (margin {one.margin * 100:.0f} %)",
        "not told apart": f"not told apart from {against} ({more(one.more_rounds, summary.round_ns)})",
    }[one.verdict]
    return f"{what}: {phrase}: {ratio(one.ratio)}"


def notes(summary: RunSummary) -> tuple[str, ...]:
    """What must stand under the numbers: why an interval is missing, what ± is, how tokens were counted."""
    level = f"{summary.level * 100:.0f} %"
    found = [f"± is half the {level} interval; low–high where it is lopsided. Means: t over rounds."]
    grouped: dict[tuple[str, str], list[str]] = {}
    for candidate in summary.candidates:
        for name, shown in _NOTED.items():
            figure = candidate.figures.get(name)
            if figure is not None and figure.note and figure.n:
                kind = "without interval" if figure.point is not None else "withheld"
                reason = figure.note.removeprefix("no interval: ")
                grouped.setdefault((f"{shown} {kind}", reason), []).append(candidate.label)
    measured = sum(bool(candidate.n > candidate.failed) for candidate in summary.candidates)
    for (what, why), labels in grouped.items():
        whose = "" if len(labels) == measured else f" ({', '.join(labels)})"
        found.append(f"{what}{whose}: {why}")
    bases = sorted({basis for candidate in summary.candidates for basis in candidate.token_basis})
    if bases:
        found.append(f"tokens/s: completion tokens over latency, counted by {'/'.join(bases)}")
    for candidate in summary.candidates:
        cut, failed = candidate.figures.get("length_share"), candidate.figures.get("error_rate")
        if cut is not None and cut.point:
            found.append(f"{candidate.label}: {cut.point * 100:.0f} % of its answers were cut at the token limit")
        if failed is not None and failed.point and candidate.status == "partial":
            upper = f", at most {failed.high * 100:.1f} %" if failed.high is not None else ""
            found.append(f"{candidate.label}: {failed.point * 100:.1f} % of its requests failed{upper}")
    return tuple(found)
