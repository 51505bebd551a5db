"""A self-test in words and as a table: how far this host's client is from a server whose truth is known."""

import textwrap
from collections.abc import Sequence

from shortlist.records import ErrorFigures, MeasuringError
from shortlist.results.between_runs import HostSpread
from shortlist.units import counted, duration

_WIDTH = 80
LATE_NS = 10**6
"""A server that was behind its schedule by more than this had no quiet host."""


def error_words(error: MeasuringError) -> str:
    """`±0.30 ms at 1 stream (a known server, 400 chunks)`."""
    streams, chunks = counted(error.streams, "stream"), counted(error.chunks, "chunk")
    return f"±{duration(error.error_ns)} at {streams} (a known server, {chunks})"


def selftest_lines(errors: Sequence[MeasuringError]) -> list[str]:
    """The table, 80 columns, in milliseconds, and what its columns are."""
    groups = "".join(f"{name:>19}" for name in ("first token", "gaps", "whole reply"))
    heads = "".join(f"{'bias':>7}{'sd':>6}{'99 %':>6}" for _ in range(3))
    lines = [f"{'':13}{groups}{'lag':>7}", f"{'streams':<8}{'n':>5}{heads}{'99 %':>7}"]
    for one in errors:
        figures = "".join(_three(found) for found in (one.ttft, one.gap, one.e2e))
        lag = "–" if one.lag_p99_ns is None else _ms(one.lag_p99_ns)
        lines.append(f"{one.streams:<8}{one.requests:>5}{figures}{lag:>7}")
    sent = ", ".join(f"{duration(one.sending.bias_ns)} at {one.streams}" for one in errors)
    notes = (
        "In ms: our stamp less the server's own log of the same write. The third number: 99 % are at most as large.",
        f"Until the server had the request (a part of TTFT, not of its error): {sent}.",
        _stamps(errors),
    )
    told = [line for note in notes for line in textwrap.wrap(note, _WIDTH)]
    held = [f"  {error_words(one)}" for one in errors]
    return [*lines, "", *told, "So 95 % of first tokens and of whole replies are off by no more than:", *held]


def selftest_warnings(errors: Sequence[MeasuringError]) -> list[str]:
    """What makes the figures worse than this host need be, or incomplete."""
    found = []
    for one in errors:
        at = counted(one.streams, "stream")
        if one.failed:
            found.append(f"at {at} {one.failed} of {one.failed + one.requests} requests failed and are left out")
        if one.late_p99_ns > LATE_NS:
            found.append(
                f"at {at} the known server itself was up to {duration(one.late_p99_ns)} late (99 %): this host was "
                "busy, or has too few cores for both sides; the errors are upper bounds"
            )
    return found


def between_lines(spread: HostSpread) -> list[str]:
    """How far runs of the same thing lie apart on this host, figure by figure."""
    rounds = len(next(iter(spread.round_means.values()))[0])
    width = max(len(name) for name in spread.round_means)
    lines = [
        f"{spread.model} with {spread.engine}, {counted(spread.runs, 'run')} of {counted(rounds, 'round')} each",
        "",
        f"{'':<{width}}  between runs (standard deviation)",
    ]
    for name in spread.round_means:
        found = spread.between(name)
        words = "too few runs to tell" if found is None else f"{found.sd_log * 100:.2g} %"
        if found is not None and found.sd_log == 0.0:
            words = "0 %: no more than rounds inside a run explain"
        lines.append(f"{name:<{width}}  {words}")
    note = (
        "Kept for `shortlist compare`, for this host and engine. The runs followed one another at once: what changes "
        "over days is not in it."
    )
    return [*lines, "", *textwrap.wrap(note, _WIDTH)]


def _stamps(errors: Sequence[MeasuringError]) -> str:
    bases = sorted({one.stamps for one in errors})
    words = {"kernel": "the kernel", "socket read": "the client, when it reads the socket (no kernel stamps)"}
    return f"Stamps are taken by {' and '.join(words.get(basis, basis) for basis in bases)}."


def _three(one: ErrorFigures) -> str:
    return f"{_ms(one.bias_ns, sign='+'):>7}{_ms(one.sd_ns):>6}{_ms(one.p99_ns):>6}"


def _ms(ns: int, sign: str = "") -> str:
    """Five characters and a sign: `0.052`, `13.21`, `150.3`."""
    value = ns / 1e6
    digits = 3 if abs(value) < 9.9995 else 2 if abs(value) < 99.995 else 1
    return f"{value:{sign}.{digits}f}"
