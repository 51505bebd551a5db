"""The sentences that every form of the report shares."""

from collections.abc import Mapping

from shortlist.records import CandidateStatus, Interval, LoadShape
from shortlist.report.dimensions import roof_lines
from shortlist.report.numbers import NOTHING, more, ratio, value, with_error
from shortlist.report.selftest import error_words
from shortlist.results.figures import DETERMINISTIC, CandidateSummary, RunSummary, SpeedComparison
from shortlist.units import counted

GLYPHS: Mapping[CandidateStatus, str] = {"ok": "✓", "partial": "~", "failed": "✕", "skipped": "–"}


_JUDGED = {"latency.mean": "latency", "tokens_per_s": "tokens/s"}
_BOTH = {
    "latency.mean": "latency",
    "latency.p95": "p95",
    "ttft.mean": "TTFT",
    "tokens_per_s": "tokens/s",
    "throughput": "throughput",
}
_NOTED = {"latency.p95": "p95", "latency.p99": "p99"}

_DEVIATIONS_SHOWN = 3


def run_line(summary: RunSummary) -> str:
    """What was run, in one line."""
    name = f"{summary.name}@{summary.short_id}" if summary.name else summary.short_id
    shape = load_words(summary.load)
    size = f"{counted(len(summary.prompts), 'prompt')} × {counted(summary.rounds, 'round')}"
    looks = f" · {summary.looks} looks" if summary.looks > 1 else ""
    race = f" · {summary.race}" if summary.race else ""
    flags = "".join(f" · {flag}" for flag in summary.flags)
    return f"Run {name} · {size} · {shape}{looks}{race}{flags}"


def load_words(load: LoadShape) -> str:
    """`4 at a time`, or `2.5 requests/s, poisson arrivals`."""
    if load.kind == "closed":
        return f"{load.concurrency} at a time"
    return f"{load.rate_per_s or 0:g} requests/s, {load.arrivals} arrivals"


def is_loaded(summary: RunSummary) -> bool:
    """Whether there is anything to say of the load: more than one request at a time, or limits to keep."""
    return summary.load.kind == "open" or summary.load.concurrency > 1 or bool(summary.goodput)


def measuring_words(summary: RunSummary) -> str:
    """How far durations may be off by our own measuring, or that nobody knows."""
    error = summary.measuring_error
    if error is None:
        return "Measuring error: not known, for no self-test was recorded with this run."
    is_remote = any(one.engine == "remote" for one in summary.candidates)
    scope = "; of this host's client alone, not of the network" if is_remote else ""
    return (
        f"Measuring error: {error_words(error)}{scope}; not in the ± above, and allowed for in every verdict on speed"
    )


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
        "not told apart": f"not told apart from {against} ({one.note or more(one.more_rounds, summary.round_ns)})",
    }[one.verdict]
    return f"{what}: {phrase}: {ratio(one.ratio)}"


KERNEL = "kernel"
"""Where arrivals are stamped at best; another place is told under the numbers."""


def _kind(figure: Interval) -> str:
    if figure.point is None:
        return "withheld"
    return "without interval" if figure.low is None and figure.high is None else "one-sided"


def notes(summary: RunSummary) -> tuple[str, ...]:
    """What must stand under the numbers: what ± is, our own error, why an interval is missing."""
    level = f"{summary.level * 100:.0f} %"
    found = [f"± is half the {level} interval; low–high where it is lopsided. Means: t over rounds."]
    found.append(measuring_words(summary))
    grouped: dict[tuple[str, str], list[str]] = {}
    for candidate in summary.candidates:
        for name, shown in _NOTED.items():
            figure = candidate.figures.get(name)
            if figure is not None and figure.note and figure.n:
                kind = _kind(figure)
                reason = figure.note.removeprefix("no interval: ")
                grouped.setdefault((f"{shown} {kind}", reason), []).append(candidate.label)
    measured = sum(bool(candidate.n > candidate.failed) for candidate in summary.candidates)
    for (what, why), labels in grouped.items():
        whose = "" if len(labels) == measured else f" ({', '.join(labels)})"
        found.append(f"{what}{whose}: {why}")
    bases = sorted({basis for candidate in summary.candidates for basis in candidate.token_basis})
    if bases:
        found.append(f"tokens/s: completion tokens over latency, counted by {'/'.join(bases)}")
    found += roof_lines(summary)
    found += [f"arrivals are stamped by a {s}, later than the kernel had them" for s in summary.stamps if s != KERNEL]
    found += _load_notes(summary)
    for candidate in summary.candidates:
        cut, failed = candidate.figures.get("length_share"), candidate.figures.get("error_rate")
        if cut is not None and cut.point:
            found.append(f"{candidate.label}: {cut.point * 100:.0f} % of its answers were cut at the token limit")
        if failed is not None and failed.point and candidate.status == "partial":
            upper = f", at most {failed.high * 100:.1f} %" if failed.high is not None else ""
            found.append(f"{candidate.label}: {failed.point * 100:.1f} % of its requests failed{upper}")
    found += opened_with(summary)
    found += one_model_lines(summary)
    found += disturbance_notes(summary)
    return tuple(found)


def opened_with(summary: RunSummary) -> list[str]:
    """What the candidates' engines were told beside the defaults; nothing where they were told nothing."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for one in summary.candidates:
        if one.status != "skipped":
            grouped.setdefault(one.options, []).append(one.label)
    return [
        f"{'engines' if len(grouped) == 1 else ', '.join(labels)} opened with {', '.join(options)}"
        for options, labels in grouped.items()
        if options
    ]


def one_model_lines(summary: RunSummary) -> list[str]:
    """Whether another way of opening one model changed its greedy answers."""
    found: list[str] = []
    alike: dict[tuple[str, int], list[str]] = {}
    for one in summary.one_model:
        label, against = summary.label_of(one.candidate), summary.label_of(one.against)
        if one.differing:
            found.append(f"{label} answers {len(one.differing)} of {one.prompts} prompts otherwise than {against}")
        else:
            alike.setdefault((against, one.prompts), []).append(label)
    for (against, prompts), labels in alike.items():
        found.append(f"the same answers as {against} to all of {counted(prompts, 'prompt')}: {', '.join(labels)}")
    return found


def disturbance_notes(summary: RunSummary) -> list[str]:
    """What was measured again, what the figures are without that which stayed disturbed, and what was not visible."""
    one = summary.disturbance
    if one is None:
        return []
    found = []
    by = f" ({'; '.join(one.causes)})" if one.causes else ""
    if one.measured_again:
        found.append(f"{counted(one.measured_again, 'request')} disturbed and measured again{by}")
    if one.blocks_again:
        found.append(f"{counted(one.blocks_again, 'block')} disturbed in over a fifth and run again whole{by}")
    for candidate in summary.candidates:
        both = [f"{name} {with_} with, {without} without" for name, with_, without in with_and_without(candidate)]
        if both:
            what = counted(candidate.disturbed, "disturbed request")
            found.append(f"{candidate.label}, its {what}: {'; '.join(both)}")
    if one.hidden:
        found.append(f"not visible here: {', '.join(one.hidden)}")
    if "this host" in one.places:
        found.append("the endpoint's engine is not ours: work of other processes could not be told from its own")
    if "elsewhere" in one.places:
        found.append("the endpoint is on another machine: only what disturbed the client on this one was seen")
    return found


def with_and_without(candidate: CandidateSummary) -> tuple[tuple[str, str, str], ...]:
    """Main figures with and without the requests that stayed disturbed, where that shows in three digits."""
    found = []
    for figure, name in _BOTH.items():
        with_, without = value(candidate.figures.get(figure)), value(candidate.undisturbed.get(figure))
        if candidate.undisturbed and with_ != without:
            found.append((name, with_, without))
    return tuple(found)


def _load_notes(summary: RunSummary) -> list[str]:
    """Whether the load was reached, and what goodput means; nothing for one request at a time."""
    found = []
    load = summary.load
    shown = {"reached.rate": "sent/s", "reached.completed": "completed/s", "backlog": "of arrivals piled up"}
    if load.kind == "closed":
        shown = {"reached.concurrency": "in flight on average"}
    for one in summary.candidates:
        given = [(value(one.figures.get(name)), words) for name, words in shown.items()]
        parts = [f"{figure} {words}" for figure, words in given if figure != NOTHING]
        if parts and (load.kind == "open" or load.concurrency > 1):
            found.append(f"{one.label}: {', '.join(parts)}")
    if summary.goodput:
        shares = ((one.label, with_error(one.figures.get("goodput.share"))) for one in summary.candidates if one.n)
        told = "; ".join(f"{label} {share}" for label, share in shares if share != NOTHING)
        kept = f"; kept by {told}" if told else ""
        found.append(f"goodput: requests/s with {' and '.join(summary.goodput)}{kept}")
        found += [
            f"{one.label}: goodput withheld: {figure.note}"
            for one in summary.candidates
            if (figure := one.figures.get("goodput")) is not None and figure.point is None
        ]
    return found


def repeatability_lines(summary: RunSummary) -> tuple[str, ...]:
    """What was measured of repeating, per candidate: a report, never a promise. Where they part: deterministic runs."""
    shown = _DEVIATIONS_SHOWN if DETERMINISTIC in summary.flags else 0
    found = []
    for one in summary.repeatability:
        head = f"{summary.label_of(one.candidate)}: {one.identical} of {one.prompts} prompts had the same answer"
        found.append(f"{head}, character for character, every time ({with_error(one.share)})")
        hidden = len(one.deviations) - shown if shown else 0
        found += [
            f"{deviation.prompt}: {deviation.answers} different answers; "
            f"rounds {deviation.first} and {deviation.other} part at character {deviation.at + 1}"
            for deviation in one.deviations[:shown]
        ]
        found += [f"{hidden} more prompts differ: report.json has them"] if hidden > 0 else []
    return tuple(found)
