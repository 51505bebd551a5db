"""Sweeps with invented numbers: capacity at four, then only latency grows."""

from shortlist.records import CandidateStatus, ErrorFigures, Interval, MeasuringError, SweptOver
from shortlist.results.sweep import SweepCurve, SweepPoint, SweepSummary

MS = 10**6
VALUES = (1.0, 2.0, 4.0, 8.0, 16.0)
MODELS = (("qwen2.5-1.5b@q4_0", 31.0, 1240), ("smollm2-1.7b@q4_0", 27.0, 1470), ("llama3.2-1b@q4_0", 44.0, 900))


def interval(point: float, unit: str, share: float = 0.04) -> Interval:
    return Interval(point, point * (1 - share), point * (1 + share), 0.95, "t over round means", 5, unit)


def point(value: float, speed: float, latency_ms: float, *, is_growing: bool = False) -> SweepPoint:
    busy, wait = min(value, 4.0), max(1.0, value / 4)
    latency = interval(latency_ms * MS * wait, "ns", 0.06)
    if is_growing:
        latency = Interval(latency.point, latency.low, None, 0.95, latency.method, 5, "ns", note="the backlog grew")
    status: CandidateStatus = "ok"
    return SweepPoint(
        value,
        f"{int(value):08x}",
        status,
        150,
        0,
        {
            "latency.mean": latency,
            "ttft.mean": interval(latency_ms / 4 * MS * wait, "ns"),
            "throughput": interval(speed * busy, "tokens/s"),
            "reached.completed": interval(busy * 1000 / latency_ms, "requests/s"),
            "goodput": interval(busy * 1000 / latency_ms if value <= 4 else 0.2, "requests/s", 0.1),
            "goodput.share": interval(1.0 if value <= 4 else 0.1, "share", 0.02),
        },
        is_growing,
    )


def error(streams: int) -> MeasuringError:
    """What a self-test found: 40 µs and ten more with each stream."""
    one = ErrorFigures(400, 5000, 20000, 30000 + 10000 * streams, 200000)
    return MeasuringError(streams, 25, 400, 0, one, one, one, one, 1000, "kernel", "2026-11-02T08:00:00.000Z", "b")


def made_sweep(over: SweptOver = "concurrency", models: tuple[tuple[str, float, float], ...] = MODELS) -> SweepSummary:
    curves = tuple(
        SweepCurve(
            f"c{place}",
            label,
            tuple(point(v, speed, latency, is_growing=over == "rate" and v > 8) for v in VALUES),
        )
        for place, (label, speed, latency) in enumerate(models)
    )
    return SweepSummary(
        sweep="5eed7f3c",
        name="load",
        over=over,
        values=VALUES,
        curves=curves,
        runs=tuple(f"load/{over}={value:g}" for value in VALUES),
        started_at="2026-11-02T08:00:00.000Z",
        prompts=30,
        rounds=5,
        repeats=1,
        level=0.95,
        host="AMD EPYC, 2 cores",
        goodput=("ttft<500ms",),
        warnings=("rate 16: smollm2-1.7b@q4_0: the backlog grew",) if over == "rate" else (),
        decisions={"4": "Ship qwen2.5-1.5b@q4_0."},
        measuring_errors=(*(error(streams) for streams in (1, 2, 4, 8)), None),
    )
