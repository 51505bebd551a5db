"""A strict reader of Prometheus' text format: what the format's page demands, and nothing that it does not."""

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)?\}})? ([-+0-9.eE]+|NaN|[+-]Inf)")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


@dataclass
class Family:
    name: str
    kind: str
    help: str
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    def value(self, suffix: str, **labels: str) -> float:
        """The one sample with these labels, or the sum of several."""
        found = [v for s, have, v in self.samples if s == suffix and labels.items() <= have.items()]
        assert found, (self.name, suffix, labels)
        return sum(found)


def families(text: str) -> dict[str, Family]:
    """All families by name. Fails on whatever Prometheus would not take."""
    assert text.endswith("\n")
    found: dict[str, Family] = {}
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    helps: dict[str, str] = {}
    last: Family | None = None
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            _, _, name, told = line.split(" ", 3)
            assert name not in helps
            helps[name] = told
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in found, "a family's lines stand together"
            assert (kind == "counter") == name.endswith("_total")
            last = found[name] = Family(name, kind, helps[name])
        else:
            match = _SAMPLE.fullmatch(line)
            assert match is not None, line
            assert last is not None
            suffix = match[1].removeprefix(last.name)
            assert match[1].startswith(last.name), line
            assert suffix in _SUFFIXES[last.kind], line
            labels = dict(re.findall(_LABEL, match[2] or ""))
            key = (match[1], tuple(sorted(labels.items())))
            assert key not in seen, line
            seen.add(key)
            last.samples.append((suffix, labels, float(match[match.lastindex or 0])))
    for family in found.values():
        if family.kind == "histogram":
            _check(family)
    return found


def _check(family: Family) -> None:
    """Buckets grow, end in +Inf, and that is the count."""
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    counts: dict[tuple[tuple[str, str], ...], float] = {}
    for suffix, labels, value in family.samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        if suffix == "_bucket":
            series.setdefault(key, []).append((float(labels["le"]), value))
        elif suffix == "_count":
            counts[key] = value
    for key, buckets in series.items():
        bounds, values = zip(*buckets, strict=True)
        assert list(bounds) == sorted(set(bounds))
        assert list(values) == sorted(values)
        assert (bounds[-1], values[-1]) == (float("inf"), counts[key])
