"""How far this host's client is from the truth: the real client against a server of ours that logs its every write.

Client and server run as two processes on the host that is measured, as a bench and its engine do. The error is the
client's stamp less the server's log of the same write. A host that delays the server between its log and its write
shows as error of the client, so the figures are an upper bound.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.clock import SYSTEM, Clock, RunAxis, iso, wall_ns
from shortlist.errors import NotEnoughSamples
from shortlist.machine import boot_id
from shortlist.measure.drive import DriveSpec, drive
from shortlist.measure.recording import PlannedRequest
from shortlist.measure.truth_child import READ
from shortlist.process import Child, ChildSpec, module_argv
from shortlist.records import CLOCK_STEP, Endpoint, ErrorFigures, LoadShape, MeasuringError, Phase, Sample, to_json

STREAMS = (1, 16, 64, 256)
SHORT_NS = 2 * 10**9

_GAP_NS = 5 * 10**6
_MANY_STREAMS = 16
_READY_LIMIT_NS = 30 * 10**9
_REQUEST_LIMIT_NS = 30 * 10**9
_Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What every reply looks like. A few streams get short replies, so that two seconds hold enough first chunks."""

    ttft_ns: int
    chunks: int
    gap_ns: int = _GAP_NS

    @classmethod
    def of(cls, streams: int) -> "_Shape":
        """The shape for so many streams."""
        return cls(50 * 10**6, 64) if streams >= _MANY_STREAMS else cls(20 * 10**6, 16)

    @property
    def request_ns(self) -> int:
        """From a request to the end of its reply."""
        return self.ttft_ns + self.chunks * self.gap_ns


class _Deadline:
    """Set once its time has come: requests in flight then still end."""

    def __init__(self, clock: Clock, duration_ns: int) -> None:
        self._clock, self._end_ns = clock, clock.now_ns() + duration_ns

    def is_set(self) -> bool:
        """Whether the time is over."""
        return self._clock.now_ns() >= self._end_ns


async def self_test(streams: int, duration_ns: int = SHORT_NS, clock: Clock = SYSTEM) -> MeasuringError:
    """Drive the real client at so many streams for about so long, and compare. Warm-ups are sent and not counted.

    Raises EngineNotReady where the server does not start, NotEnoughSamples where no request came through.
    """
    shape = _Shape.of(streams)
    with tempfile.TemporaryDirectory(prefix="shortlist-selftest-") as folder:
        log = Path(folder) / "writes"
        config = {"ttft_ns": shape.ttft_ns, "gap_ns": shape.gap_ns, "chunks": shape.chunks, "log": str(log)}
        spec = ChildSpec("selftest", module_argv("shortlist.measure.truth_child"), Path(folder), config)
        child = await Child.start(spec)
        try:
            ready = await child.ready(_READY_LIMIT_NS)
            samples = await _drive(ready.url, streams, duration_ns, shape, clock)
        finally:
            await child.stop()
        written = np.fromfile(log, dtype=np.int64).reshape(-1, 4) if log.exists() else np.empty((0, 4), np.int64)
    return compare(samples, written, streams, shape.chunks)


async def _drive(url: str, streams: int, duration_ns: int, shape: _Shape, clock: Clock) -> list[Sample]:
    samples: list[Sample] = []
    count = streams * (2 + duration_ns // shape.request_ns)
    requests = [_request(number, "warmup" if number < streams else "measure") for number in range(streams + count)]
    how = DriveSpec(
        LoadShape("closed", streams),
        _REQUEST_LIMIT_NS,
        clock,
        RunAxis(0),
        "selftest",
        "selftest",
        stop=_Deadline(clock, duration_ns + shape.request_ns),
    )
    endpoint = Endpoint(f"{url}/v1", "known-truth", None, "known-truth", None, None)
    await drive(endpoint, {}, requests, how, samples.append)
    return samples


def _request(number: int, phase: Phase) -> PlannedRequest:
    body = to_json({"model": "known-truth", "messages": [], "number": number, "stream": True})
    return PlannedRequest(None, str(number), body, phase)


def compare(samples: Sequence[Sample], written: _Integers, streams: int, chunks: int) -> MeasuringError:
    """The client's samples against the server's log: rows of number, place, scheduled and written.

    Raises NotEnoughSamples where no measured request came through whole.
    """
    measured = [sample for sample in samples if sample.phase == "measure"]
    log = _by_request(written, chunks)
    whole = [s for s in measured if _is_sound(s) and s.prompt in log and len(_content(s)) == chunks]
    if not whole:
        cause = next((f": {s.error.message}" for s in measured if s.error is not None), "")
        raise NotEnoughSamples(f"none of the self-test's {len(measured)} requests came through{cause}")
    entries = np.stack([log[sample.prompt or ""] for sample in whole])
    seen = np.array([_content(sample) for sample in whole], dtype=np.int64)
    stamps = seen - entries[:, 1:, 1]
    due = np.array([sample.due_ns for sample in whole], dtype=np.int64)
    lags = [c.lag_ns for sample in whole for c in sample.chunks if c.is_content and c.lag_ns is not None]
    return MeasuringError(
        streams=streams,
        requests=len(whole),
        chunks=seen.size,
        failed=len(measured) - len(whole),
        ttft=_figures(stamps[:, 0]),
        gap=_figures(np.diff(stamps, axis=1)),
        e2e=_figures(stamps[:, -1]),
        sending=_figures(entries[:, 0, 1] - due),
        late_p99_ns=round(float(np.percentile(entries[:, 1:, 1] - entries[:, 1:, 0], 99))),
        stamps="kernel" if lags else "socket read",
        at=iso(wall_ns()),
        boot_id=boot_id(),
        lag_p99_ns=round(float(np.percentile(lags, 99))) if lags else None,
    )


def _is_sound(sample: Sample) -> bool:
    """Complete, and the wall clock, which the kernel stamps with, was not set meanwhile."""
    return sample.status == "ok" and CLOCK_STEP not in sample.disturbance


def _content(sample: Sample) -> list[int]:
    return [chunk.ns for chunk in sample.chunks if chunk.is_content]


def _by_request(written: _Integers, chunks: int) -> dict[str, _Integers]:
    """Request → scheduled and written of its reading and of each chunk, for those that the server finished."""
    order = np.lexsort((written[:, 1], written[:, 0]))
    rows = written[order]
    numbers, starts, counts = np.unique(rows[:, 0], return_index=True, return_counts=True)
    return {
        str(number): rows[start : start + count, 2:]
        for number, start, count in zip(numbers.tolist(), starts.tolist(), counts.tolist(), strict=True)
        if count == chunks + 1 and rows[start, 1] == READ
    }


def _figures(errors: _Integers) -> ErrorFigures:
    values = errors.ravel()
    beyond = np.percentile(np.abs(values), (95, 99))
    return ErrorFigures(
        values.size,
        round(float(values.mean())),
        round(float(values.std(ddof=1))) if values.size > 1 else 0,
        round(float(beyond[0])),
        round(float(beyond[1])),
    )
