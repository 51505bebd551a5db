"""`report.csv`: one row per candidate; the workshop's columns first, durations in seconds as there."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping

from shortlist.choose.decision import Decision
from shortlist.records import Interval
from shortlist.report.escape import csv_cell
from shortlist.report.verdicts import judgements_of, standing
from shortlist.results.figures import CandidateSummary, RunSummary

Cell = str | int | float | None

_SEED = ("model", "rounds", "latency_avg", "latency_p95", "tokens_per_sec_avg", "sample")

_FIGURES: tuple[tuple[str, str], ...] = (
    ("latency_p50_s", "latency.p50"),
    ("facets", "facets"),
    ("critical", "critical"),
    ("rating", "rating"),
    ("latency_p99_s", "latency.p99"),
    ("latency_max_s", "latency.max"),
    ("ttft_avg_s", "ttft.mean"),
    ("ttft_p50_s", "ttft.p50"),
    ("ttft_p95_s", "ttft.p95"),
    ("ttft_service_avg_s", "ttft.service"),
    ("ttft_text_avg_s", "ttft.text"),
    ("characters_per_sec_avg", "characters_per_s"),
    ("throughput_tokens_per_sec", "throughput"),
    ("total_tokens_per_sec_avg", "total_tokens_per_s"),
    ("goodput_requests_per_sec", "goodput"),
    ("goodput_share", "goodput.share"),
    ("reached_concurrency", "reached.concurrency"),
    ("reached_rate_per_sec", "reached.rate"),
    ("completed_per_sec", "reached.completed"),
    ("backlog_share", "backlog"),
    ("late_p99_s", "late.p99"),
    ("tpot_s", "tpot"),
    ("gap_p50_s", "gap.p50"),
    ("gap_p99_s", "gap.p99"),
    ("prefill_tokens_per_sec", "prefill_tokens_per_s"),
    ("decode_tokens_per_sec", "decode_tokens_per_s"),
    ("roofline_tokens_per_sec", "roofline_tokens_per_s"),
    ("mbu", "mbu"),
    ("energy_joules_per_1000_requests", "energy.requests"),
    ("energy_joules_per_1000_tokens", "energy.tokens"),
    ("energy_gross_joules_per_1000_requests", "energy.gross.requests"),
    ("energy_gross_joules_per_1000_tokens", "energy.gross.tokens"),
    ("power_work_watts", "power.work"),
    ("power_idle_watts", "power.idle"),
    ("cost_per_1000_requests", "cost.requests"),
    ("cost_per_1000_tokens", "cost.tokens"),
    ("load_warm_s", "load.warm"),
    ("load_cold_s", "load.cold"),
    ("memory_loaded_bytes", "memory.loaded"),
    ("memory_peak_bytes", "memory.peak"),
    ("memory_peak_anonymous_bytes", "memory.peak.anonymous"),
    ("memory_peak_file_bytes", "memory.peak.file"),
    ("memory_vram_bytes", "memory.vram"),
    ("footprint_bytes", "footprint"),
    ("output_tokens_avg", "output_tokens"),
    ("output_characters_avg", "output_characters"),
    ("length_share", "length_share"),
    ("error_rate", "error_rate"),
)

_ENDS: tuple[tuple[str, str], ...] = (
    ("facets_{}", "facets"),
    ("critical_{}", "critical"),
    ("rating_{}", "rating"),
    ("latency_avg_{}_s", "latency.mean"),
    ("latency_p95_{}_s", "latency.p95"),
    ("tokens_per_sec_{}", "tokens_per_s"),
    ("error_rate_{}", "error_rate"),
)


def _scaled(value: float | None, interval: Interval) -> float | None:
    return None if value is None else value / 1e9 if interval.unit == "ns" else value


def _end(figures: Mapping[str, Interval], name: str, end: Callable[[Interval], float | None]) -> float | None:
    interval = figures.get(name)
    return None if interval is None else _scaled(end(interval), interval)


def _point(figures: Mapping[str, Interval], name: str) -> float | None:
    return _end(figures, name, lambda interval: interval.point)


def _row(summary: RunSummary, one: CandidateSummary) -> dict[str, Cell]:
    figures = one.figures
    row: dict[str, Cell] = {
        "model": one.label,
        "rounds": one.rounds,
        "latency_avg": _point(figures, "latency.mean"),
        "latency_p95": _point(figures, "latency.p95"),
        "tokens_per_sec_avg": _point(figures, "tokens_per_s"),
        "sample": one.sample,
        "status": one.status,
        "reason": one.reason,
        "n": one.n,
        "planned": one.planned,
        "failed": one.failed,
        "engine": one.engine,
        "quantisation": one.quantisation,
    }
    for head, name in _ENDS:
        row[head.format("low")] = _end(figures, name, lambda interval: interval.low)
        row[head.format("high")] = _end(figures, name, lambda interval: interval.high)
    row["latency_p95_note"] = figures["latency.p95"].note if "latency.p95" in figures else None
    row |= {head: _point(figures, name) for head, name in _FIGURES}
    for head, name in (("energy_basis", "energy.gross.requests"), ("cost_basis", "cost.requests")):
        row[head] = figures[name].basis or None if name in figures else None
    row["cost_currency"] = figures["cost.requests"].unit if "cost.requests" in figures else None
    row["cached_tokens_max"] = one.cached_tokens
    row["disturbed"] = one.disturbed
    row["latency_avg_undisturbed_s"] = _point(one.undisturbed, "latency.mean")
    row["tokens_per_sec_undisturbed"] = _point(one.undisturbed, "tokens_per_s")
    row["token_basis"] = "/".join(one.token_basis) or None
    row["measuring_error_s"] = None if summary.measuring_error is None else summary.measuring_error.error_ns / 1e9
    row["level"] = summary.level
    row["options"] = " ".join(one.options) or None
    row["candidate"] = one.candidate
    row["run"] = summary.run
    return row


def _cell(value: Cell) -> Cell:
    return csv_cell(value) if isinstance(value, str) else value


def _decided(decision: Decision | None, candidate: str) -> dict[str, Cell]:
    """What the decision says of a candidate; no columns without one."""
    if decision is None:
        return {}
    judged = judgements_of(decision, candidate)
    row: dict[str, Cell] = {
        "choice": decision.choice.verdict,
        "verdict": standing(decision, candidate),
        "is_pick": int(candidate == decision.choice.pick),
    }
    names = Counter(need.figure for need in decision.needs)
    for need in decision.needs:
        head = need.figure if names[need.figure] == 1 else need.text
        row[f"need_{head}"] = judged[need.text].verdict if need.text in judged else None
    for card in decision.scorecards:
        if card.candidate == candidate:
            row["licence"] = card.licence
            for figure, interval in card.quality.items():
                row |= {figure: interval.point, f"{figure}_low": interval.low, f"{figure}_high": interval.high}
    return row


def render_csv(summary: RunSummary, decision: Decision | None = None) -> str:
    """The rows as CSV (RFC 4180); an empty cell is "not measured". A decision adds its columns at the end."""
    rows = [_row(summary, one) | _decided(decision, one.candidate) for one in summary.candidates]
    heads = list(dict.fromkeys(head for row in rows for head in row)) if rows else list(_SEED)
    written = io.StringIO()
    writer = csv.DictWriter(written, heads, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return written.getvalue()
