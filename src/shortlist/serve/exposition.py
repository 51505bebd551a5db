"""Counters and histograms, and the text that Prometheus reads (exposition format 0.0.4)."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[str, ...]
Kind = Literal["counter", "gauge"]


@dataclass(slots=True)
class Values:
    """A counter or a gauge: one number for each combination of label values."""

    name: str
    help: str
    kind: Kind
    labels: Labels = ()
    values: dict[Labels, float] = field(default_factory=dict)

    def add(self, amount: float, *labels: str) -> None:
        """Count."""
        self.values[labels] = self.values.get(labels, 0) + amount

    def set(self, value: float, *labels: str) -> None:
        """Measure."""
        self.values[labels] = value

    def lines(self) -> Iterable[str]:
        """As Prometheus reads it."""
        yield from _head(self.name, self.help, self.kind)
        for labels, value in sorted(self.values.items()):
            yield f"{self.name}{_braced(zip(self.labels, labels, strict=True))} {_number(value)}"


@dataclass(slots=True)
class Histogram:
    """Counts by bucket; a bucket holds what is at most its bound."""

    name: str
    help: str
    bounds: Sequence[float]
    labels: Labels = ()
    counts: dict[Labels, list[int]] = field(default_factory=dict)
    sums: dict[Labels, float] = field(default_factory=dict)

    def observe(self, value: float, *labels: str) -> None:
        """Count one value."""
        counts = self.counts.setdefault(labels, [0] * (len(self.bounds) + 1))
        counts[bisect_left(self.bounds, value)] += 1
        self.sums[labels] = self.sums.get(labels, 0.0) + value

    def lines(self) -> Iterable[str]:
        """As Prometheus reads it: each bucket with all below it."""
        yield from _head(self.name, self.help, "histogram")
        for labels, counts in sorted(self.counts.items()):
            pairs = list(zip(self.labels, labels, strict=True))
            total = 0
            for bound, count in zip((*map(_number, self.bounds), "+Inf"), counts, strict=True):
                total += count
                yield f"{self.name}_bucket{_braced([*pairs, ('le', bound)])} {total}"
            yield f"{self.name}_sum{_braced(pairs)} {_number(self.sums[labels])}"
            yield f"{self.name}_count{_braced(pairs)} {total}"


def gauge(name: str, help_text: str, values: Mapping[Labels, float | None], *labels: str) -> Values:
    """A gauge as it stands now; what is None was not measured and is left out."""
    return Values(name, help_text, "gauge", labels, {key: v for key, v in values.items() if v is not None})


def text(families: Iterable[Values | Histogram]) -> bytes:
    """All of them."""
    return "".join(f"{line}\n" for family in families for line in family.lines()).encode()


def _head(name: str, help_text: str, kind: str) -> tuple[str, str]:
    told = help_text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {told}", f"# TYPE {name} {kind}"


def _braced(pairs: Iterable[tuple[str, str]]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
