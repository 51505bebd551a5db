"""What stands in the report's tables on phases, roof, energy and cost, and the notes under them."""

from collections.abc import Sequence

from shortlist.report.numbers import value, with_error
from shortlist.results.figures import RunSummary

PHASES = (
    ("Prefill, tokens/s", "prefill_tokens_per_s"),
    ("Decode, tokens/s", "decode_tokens_per_s"),
    ("Roofline, tokens/s", "roofline_tokens_per_s"),
    ("MBU", "mbu"),
)
ENERGY = (
    ("Energy above idle, 1000 requests", "energy.requests"),
    ("Energy above idle, 1000 tokens", "energy.tokens"),
    ("Whole energy, 1000 requests", "energy.gross.requests"),
    ("Whole energy, 1000 tokens", "energy.gross.tokens"),
    ("Draw at work", "power.work"),
    ("Draw idle", "power.idle"),
    ("Cost, 1000 requests", "cost.requests"),
    ("Cost, 1000 tokens", "cost.tokens"),
)


def has_any(summary: RunSummary, wanted: Sequence[tuple[str, str]]) -> bool:
    """Whether any candidate has one of these figures, or a reason why it has none."""
    return any(name in one.figures for one in summary.candidates for _, name in wanted)


def roof_lines(summary: RunSummary) -> tuple[str, ...]:
    """Measured decode speed beside what memory allows, where that is known."""
    found = []
    for one in summary.candidates:
        decode, roof, share = (one.figures.get(n) for n in ("decode_tokens_per_s", "roofline_tokens_per_s", "mbu"))
        if share is not None and share.point is not None:
            speeds = f"{with_error(decode)} tok/s of the {value(roof)} that memory allows"
            found.append(f"{one.label}: decodes {speeds}: MBU {value(share)}")
    return tuple(found)


def phase_notes(summary: RunSummary) -> tuple[str, ...]:
    """What the roofline was reckoned with, or why there is none; once for all whom it concerns."""
    return _notes(summary, "mbu", "roofline and MBU")


def energy_notes(summary: RunSummary) -> tuple[str, ...]:
    """The bases of energy and cost, and what is withheld."""
    found = (_notes(summary, name, words) for name, words in (("energy.gross.requests", "energy"), *_WITHHELD))
    return tuple(dict.fromkeys(note for notes in found for note in notes))


_WITHHELD = (("energy.requests", "energy above idle"), ("cost.requests", "cost"))


def _notes(summary: RunSummary, figure: str, words: str) -> tuple[str, ...]:
    grouped: dict[str, list[str]] = {}
    for one in summary.candidates:
        interval = one.figures.get(figure)
        if interval is None:
            continue
        told = f"{words}: {interval.basis}" if interval.point is not None else f"{words} withheld: {interval.note}"
        grouped.setdefault(told, []).append(one.label)
    measured = sum(bool(one.n) for one in summary.candidates)
    return tuple(
        told if len(labels) == measured else f"{told} ({', '.join(labels)})" for told, labels in grouped.items()
    )
